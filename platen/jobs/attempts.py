"""How often a job was started and why, beside its checkpoints."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from platen.core.storage import join, store_for
from platen.jobs.exit_codes import STOPPED


class Restart(BaseModel):
    """Why an attempt ended, which pod was to blame, and the step of the checkpoint that the next one begins with.

    One that is free is not counted against `train.job.restarts`.
    """

    attempt: int
    reason: str
    pod: str = ""
    exit_code: int | None = None
    step: int = 0
    free: bool = False


class Attempts(BaseModel):
    """`attempts.json`: the number of the newest attempt, and the restarts since the work was last requested."""

    attempt: int = 0
    restarts: tuple[Restart, ...] = ()

    @property
    def used(self) -> int:
        """How many restarts count."""
        return sum(not restart.free for restart in self.restarts)

    def is_free(self, code: int | None, step: int) -> bool:
        """Whether to start again costs no restart: all ranks were stopped and saved, and got on since they started.

        So machines that are taken away do not use up what is meant for crashes, and one that is taken away at every
        start does.
        """
        return code == STOPPED and step > max((restart.step for restart in self.restarts), default=0)

    def save(self, shared: str) -> None:
        """Write it."""
        store_for(shared).write(_where(shared), self.model_dump_json().encode())


def load(shared: str) -> Attempts:
    """What is known; nothing where no attempt was made yet, or the file is none."""
    try:
        return Attempts.model_validate_json(store_for(shared).read(_where(shared)) or b"{}")
    except ValidationError:
        return Attempts()


def _where(shared: str) -> str:
    return join(shared, "attempts.json")
