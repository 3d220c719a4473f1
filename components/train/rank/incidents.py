"""`guard.jsonl` in the shared place: the batches that a training left out, and why; one object a line.

It is written as a batch is judged and is not rolled back with the weights: what it says holds for every later attempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel

from platen.core.storage import join, store_for

INCIDENTS = "guard.jsonl"


class Incident(BaseModel):
    """A batch that was not trained on, or that ended the training.

    Attributes:
        step: Of the batch, from 0.
        reason: In words.
        loss: Of the batch; None where it is NaN or infinite.
        action: What was done.
        left_out: First and last step that are not trained on.
        samples: Ids of the batch.
        worst: Those of the micro-batches to blame: with a loss that is not finite, else the highest. Smaller
            micro-batches tell more. Empty where only the gradient was not finite.
    """

    step: int
    reason: str
    loss: float | None
    action: Literal["skip", "roll_back", "stop"]
    left_out: tuple[int, int]
    samples: list[str]
    worst: list[str]


def read_incidents(shared: str) -> dict[int, Incident]:
    """Those so far, by step."""
    lines = (store_for(shared).read(join(shared, INCIDENTS)) or b"").splitlines()
    found = [Incident.model_validate_json(line) for line in lines]
    return {incident.step: incident for incident in found}


def write_incidents(shared: str, incidents: Iterable[Incident]) -> None:
    """Write all of them."""
    lines = [incident.model_dump_json() + "\n" for incident in sorted(incidents, key=lambda each: each.step)]
    store_for(shared).write(join(shared, INCIDENTS), "".join(lines).encode())
