"""A cluster whose answers a test gives, for what a real one does only now and then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from platen.jobs.cluster import Cluster, Object, RefusedError

Answer = Callable[[str, str, Object], Object | int]


def nothing(method: str, path: str, body: Object) -> int:
    """Answer as a cluster in which there is nothing."""
    return 404


@dataclass(frozen=True)
class FakeCluster(Cluster):
    """`answer` gets method, path and body, and gives an object, or the status of a refusal."""

    api: Any = None
    namespace: str = "steps"
    answer: Answer = field(default=nothing, kw_only=True)
    asked: list[str] = field(default_factory=list, kw_only=True, compare=False)

    def call(self, method: str, path: str, body: Object | None = None, **more: Any) -> Object:
        """Note what is asked, and answer."""
        self.asked.append(f"{method} {path}")
        found = self.answer(method, path, body or {})
        if isinstance(found, int):
            raise RefusedError(found, f"Kubernetes refused {method} {path}: status {found}")
        return found
