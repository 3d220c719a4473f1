"""How often a job was started and why, beside its checkpoints."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from platen.components.train.job import CHECKPOINT, RESULT
from platen.storage import join, store_for


class Restart(BaseModel):
    """Why an attempt ended, which pod was to blame, and the step of the checkpoint that the next one begins with."""

    attempt: int
    reason: str
    pod: str = ""
    exit_code: int | None = None
    step: int = 0


class Attempts(BaseModel):
    """`attempts.json`: the number of the newest attempt, and the restarts since somebody asked for the training."""

    attempt: int = 0
    restarts: tuple[Restart, ...] = ()

    def save(self, shared: str) -> None:
        """Write it."""
        store_for(shared).write(_where(shared), self.model_dump_json().encode())


def load(shared: str) -> Attempts:
    """What is known; nothing where no attempt was made yet, or the file is none."""
    try:
        return Attempts.model_validate_json(store_for(shared).read(_where(shared)) or b"{}")
    except ValidationError:
        return Attempts()


def newest_step(shared: str) -> int:
    """The step of the newest checkpoint; 0 where there is none."""
    store, folder = store_for(shared), join(shared, "checkpoints")
    for name in sorted(store.list(folder), reverse=True):
        if name.isdigit() and store.read(join(folder, name, CHECKPOINT)) is not None:
            return int(name)
    return 0


def is_finished(shared: str) -> bool:
    """Whether a training is done: its result is the last thing that it writes."""
    return store_for(shared).read(join(shared, RESULT)) is not None


def _where(shared: str) -> str:
    return join(shared, "attempts.json")
