"""The log of a real pod, over connections that keep breaking."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from platen.jobs.cluster import Cluster
from platen.jobs.follow import Tail
from platen.jobs.pods import has_ended, has_started
from platen.jobs.pytorchjob import CONTAINER, chosen_image, pods_path
from platen.jobs.settings import JobSettings
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster

LINES = 400
WRITE = f"""
import time
for number in range({LINES}):
    print("line", number, "." * (number % 20), flush=True)
    time.sleep(0.6 if number % 40 == 0 else 0)
"""


class Breaking:
    """An answer whose connection breaks somewhere."""

    def __init__(self, answer: Any, after: int) -> None:
        self.answer, self.left = answer, after

    def stream(self, size: int) -> Iterator[bytes]:
        from urllib3.exceptions import ProtocolError

        for chunk in self.answer.stream(size):
            yield chunk[: self.left]
            self.left -= len(chunk)
            if self.left <= 0:
                raise ProtocolError("connection broken")

    def close(self) -> None:
        self.answer.close()


@dataclass(frozen=True)
class Unsteady(Cluster):
    """A cluster that each log comes from in bits and pieces."""

    random: random.Random

    def stream(self, path: str, **query: str) -> Any:
        return Breaking(super().stream(path, **query), self.random.randint(6000, 12000))


@pytest.fixture
def writer(namespace: Cluster, node_images: set[str]) -> str:
    """A pod that writes numbered lines, in bursts."""
    image = chosen_image(JobSettings())
    if image not in node_images:
        pytest.skip(f"{image} is not on the nodes: make images, then load it")
    container = {"name": CONTAINER, "image": image, "command": ["python", "-c", WRITE]}
    body = {"metadata": {"name": "writer"}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    namespace.create(pods_path(namespace), body)
    return "writer"


def test_every_line_comes_once_and_in_order(namespace: Cluster, writer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{pods_path(namespace)}/{writer}"
    tail = Tail(Unsteady(namespace.api, namespace.namespace, random.Random(7)), writer)
    found: list[str] = []
    monkeypatch.setattr(tail.limit, "pass_on", found.append)
    tail.start()  # before there is a container: that is waited out
    wait_until(lambda: has_started(namespace.get(path) or {"status": {}}), otherwise="the pod did not start")
    wait_until(lambda: has_ended(namespace.get(path) or {"status": {}}), otherwise="the pod did not end")
    tail.ended.set()
    tail.join(60)
    assert not tail.is_alive()
    assert [int(line.split()[1]) for line in found] == list(range(LINES))


def test_the_log_of_a_pod_that_is_gone_ends(namespace: Cluster) -> None:
    tail = Tail(namespace, "none")
    tail.start()
    tail.ended.set()
    tail.join(30)
    assert not tail.is_alive()
