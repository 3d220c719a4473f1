"""How a model was trained, beside what it is: the fields that train adds to `run.json`. None of it is in the digest."""

from __future__ import annotations

from typing import Any, Self

from pydantic import ConfigDict, Field, ValidationError

from platen.artifacts.json_file import Part, first_fault
from platen.core.errors import CorruptError
from platen.core.manifest import RUN, Json
from platen.core.stage import Folder
from platen.core.storage import join


class Zero(Part):
    """How ZeRO spread the model: its stage, the ranks, parameters held by each, parameters altogether."""

    stage: int
    world_size: int
    parameters_per_rank: list[int]
    parameters: int


class SlowRank(Part):
    """A rank that others waited for, where it ran, what took it longer (compute or data), and in how many windows."""

    rank: int
    node: str
    part: str
    windows: int = 0


class Measured(Part):
    """What was measured: of all attempts, but for shares, rate and MFU, which are the last one's.

    Attributes:
        attempts: How often training was started.
        goodput: Share of the time that went into the model.
        seconds: Of the wall time, by what they went into.
        samples_per_second: Over all ranks.
        mfu: Model FLOP/s utilization; None if the device's peak is not known.
        flops_per_sample: Of a forward and a backward pass.
        shares: Of a step's time, by part.
        memory_bytes: By part, of the rank that holds most of each.
        cost_usd: None without a price.
        stragglers: Ranks that others waited for.
        slow_links: Ranks and nodes between which data went slowly, with bytes per second.
    """

    model_config = ConfigDict(allow_inf_nan=True)  # a rate of a run that took no time

    attempts: int | None = None
    goodput: float | None = None
    seconds: dict[str, float] = Field(default_factory=dict)
    samples_per_second: float | None = None
    mfu: float | None = None
    flops_per_sample: int | None = None
    shares: dict[str, float] = Field(default_factory=dict)
    memory_bytes: dict[str, int] = Field(default_factory=dict)
    cost_usd: float | None = None
    stragglers: list[SlowRank] = Field(default_factory=list)
    slow_links: list[dict[str, Any]] = Field(default_factory=list)


class TrainingRun(Part):
    """What train notes in `run.json`; None for what it did not note.

    Attributes:
        train_seconds: Of the last attempt.
        samples_per_second: Over all ranks, of the last attempt.
        resumed_after: Steps that attempts after the first began with.
        zero: How the model was spread.
        left_out: The batches that were not trained on, and why.
        measured: What was measured.
        job: The job on Kubernetes as it was applied; empty if there was none.
        attempts: How often the job was started.
        restarts: Why it was started again.
    """

    model_config = ConfigDict(allow_inf_nan=True)

    train_seconds: float | None = None
    samples_per_second: float | None = None
    resumed_after: list[int] | None = None
    zero: Zero | None = None
    left_out: list[dict[str, Any]] | None = None
    measured: Measured | None = None
    job: dict[str, Any] = Field(default_factory=dict)
    attempts: int | None = None
    restarts: list[dict[str, Any]] | None = None

    @classmethod
    def of(cls, folder: Folder) -> Self:
        """Read what was noted of a committed model. Raises CorruptError that names the file and the field."""
        try:
            return cls.model_validate_json(folder.read(RUN) or b"{}")
        except ValidationError as error:
            raise CorruptError(f"{join(folder.uri, RUN)}: {first_fault(error)}") from None

    def notes(self) -> dict[str, Json]:
        """Return what was set, for Place.observe."""
        return self.model_dump(mode="json", exclude_unset=True)
