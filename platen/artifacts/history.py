"""How a training went, step by step: `history.json` of train."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from platen.artifacts.json_file import JsonFile
from platen.core.manifest import canonical


class TrainingHistory(JsonFile):
    """Figures by optimizer step, the first step first.

    Attributes:
        loss: None for a step that was left out, as its loss was not finite.
        learning_rate: Of each step.
        left_out: Those steps, from 0.
    """

    FILE: ClassVar[str] = "history.json"

    loss: list[float | None]
    learning_rate: list[float]
    left_out: list[int] = Field(default_factory=list)

    def encode(self) -> bytes:
        """Encode the file as it is written: in one line, as there is an entry for each step."""
        return canonical(self.model_dump())
