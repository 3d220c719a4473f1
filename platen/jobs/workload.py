"""What a job has to know of the work that it is made for. The stage whose work it is hands it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from platen.core.errors import PlatenError


@dataclass(frozen=True)
class Task:
    """What a job is made for.

    Attributes:
        name: The job's name.
        run: What its pods work on together; a label.
        task: `train` or `probe`; a label.
        command: What each pod runs.
        port: Where the first pod serves its metrics; None: nowhere.
    """

    name: str
    run: str
    task: str
    command: Sequence[str]
    port: int | None = None


class Workload(Protocol):
    """Work that a job does. Its checkpoints and its result lie at `shared`: one place, one job."""

    @property
    def task(self) -> Task:
        """The name of the job, and what its pods run."""

    @property
    def shared(self) -> str:
        """The URI of the place of unfinished work, the same from any working directory."""

    def check(self) -> None:
        """Refuse work that would fail, before pods are requested. Raises InputError."""

    def probe_command(self) -> Sequence[str]:
        """Return what a pod runs beforehand to try what the real ones need (platen.jobs.probe)."""

    def is_finished(self) -> bool:
        """Return whether the work is done."""

    def newest_step(self) -> int:
        """Return the step of the newest checkpoint; 0 if there is none."""

    def read_error(self) -> PlatenError | None:
        """Return the error that a process of the newest attempt left behind; None if it left none."""

    def clear_error(self) -> None:
        """Forget the error of the attempt before."""
