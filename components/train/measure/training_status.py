"""The state of a training at the end of a window of steps, for everything that reports it."""

from __future__ import annotations

from dataclasses import dataclass

from platen.components.train.measure.ledger import Cost, Spent


@dataclass(frozen=True)
class Straggler:
    """A rank that others wait for, where it runs, and what takes it longer: `compute` or `data`."""

    rank: int
    node: str
    part: str
    share: float

    def labels(self) -> dict[str, str]:
        """Return the labels of a metric."""
        return {"rank": str(self.rank), "node": self.node, "part": self.part}


@dataclass(frozen=True)
class TrainingStatus:
    """The state of a training at the end of a window.

    Attributes:
        step: Steps done.
        loss: Of the last of them.
        samples_per_second: Over all ranks, checkpoints left out.
        shares: Of the window's wall time by part, in the mean of all ranks; together 1.
        mfu: Model FLOP/s utilisation; None where the device's peak is not known.
        memory: Bytes by part, of the rank that holds most of each.
        spent: Seconds since the first attempt's start.
        seconds_left: To the last step.
        cost: In USD; None without a price.
        straggler: Who is waited for, if anyone.
    """

    step: int
    loss: float
    samples_per_second: float
    shares: dict[str, float]
    mfu: float | None
    memory: dict[str, int]
    spent: Spent
    seconds_left: float
    cost: Cost | None
    straggler: Straggler | None

    def scalars(self) -> dict[str, float]:
        """Return the numbers by the names that TensorBoard shows."""
        found = {
            "speed/samples_per_second": self.samples_per_second,
            "speed/goodput": self.spent.goodput,
            **{f"time/{part}": share for part, share in self.shares.items()},
            **{f"memory/{part}": float(size) for part, size in self.memory.items()},
        }
        if self.mfu is not None:
            found["speed/mfu"] = self.mfu
        if self.cost is not None:
            found |= {"cost/so_far_usd": self.cost.so_far, "cost/to_the_end_usd": self.cost.to_the_end}
        return found
