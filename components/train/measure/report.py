"""What rank 0 makes of every rank's windows, and to whom it tells it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

from platen.artifacts.training_run import Measured, SlowRank
from platen.components.train.measure.clock import Window
from platen.components.train.measure.ledger import Cost, Ledger, cost, seconds_left, spent
from platen.components.train.measure.links import Link
from platen.components.train.measure.prometheus import Metrics
from platen.components.train.measure.scalars import Scalars
from platen.components.train.measure.straggler import Stragglers
from platen.components.train.measure.training_status import Straggler, TrainingStatus
from platen.components.train.optimization.schedule import learning_rate
from platen.components.train.settings import TrainSettings
from platen.core.manifest import Json
from platen.core.telemetry import log

Losses = Sequence[float | None]


@dataclass
class Report:
    """Of one attempt.

    Attributes:
        settings: Those of the training.
        nodes: Where each rank runs.
        ledger: Of all attempts.
        metrics: For Prometheus.
        scalars: For TensorBoard; None where it is off.
        flops: Of a sample, forward and backward; None where they are not known.
        peak: FLOP/s of a rank's device; None where it is not known.
        links: Those that are slow.
        total: All windows of this attempt, in the mean of all ranks.
        memory: Bytes by part, of the rank that holds most of each.
        slow: In how many windows a rank was waited for: rank, node, and what took it longer.
    """

    settings: TrainSettings
    nodes: Sequence[str]
    ledger: Ledger
    metrics: Metrics
    scalars: Scalars | None
    flops: int | None
    peak: float | None
    links: list[Link] = field(default_factory=list)
    total: Window = field(default_factory=Window)
    memory: dict[str, int] = field(default_factory=dict)
    slow: Counter[tuple[int, str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        chosen = self.settings.measure
        self._stragglers = Stragglers(chosen.straggler_share, chosen.straggler_windows)
        self._last: Straggler | None = None

    def name_links(self, links: Sequence[Link]) -> None:
        """Take over which links are slow."""
        self.links = list(links)
        for link in links:
            one, other = (f"{self.nodes[rank]} (rank {rank})" for rank in link.ranks)
            self.metrics.slow_link.labels(one=one, other=other).set(link.rate)
            told = (one, other, link.rate / 1e6, link.median / 1e6)
            log.warning("the link between %s and %s is slow: %.0f MB/s, others %.0f MB/s", *told)

    def tell(self, ranks: Sequence[Window], memory: dict[str, int], losses: Losses, *, write: bool) -> None:
        """Tell what a window of each rank says.

        Args:
            ranks: The window of each rank.
            memory: Bytes by part, of the rank that holds most of each.
            losses: Of all steps done; those of the window last. None for a step that was skipped.
            write: Bring files to where they are read, and do not wait until it is due.
        """
        mean = mean_of(ranks)
        self.total += mean
        self.memory = memory
        self.ledger.add(mean, len(losses), write=write)
        if mean.steps:  # after the last step nothing but its checkpoint was waited for
            status = self._status(mean, losses, self._straggler(ranks))
            self.metrics.tell(mean, status)
            self._draw(status, losses[-mean.steps :])
        if self.scalars:
            self.scalars.save() if write else self.scalars.flush()

    def _status(self, mean: Window, losses: Losses, straggler: Straggler | None) -> TrainingStatus:
        return TrainingStatus(
            step=len(losses),
            loss=next((loss for loss in reversed(losses) if loss is not None), math.nan),
            samples_per_second=self._rate(mean),
            shares=shares(mean),
            mfu=self._mfu(mean),
            memory=self.memory,
            spent=spent(self.ledger.attempts),
            seconds_left=seconds_left(self.ledger.attempts[-1], self.settings.steps),
            cost=self._cost(),
            straggler=straggler,
        )

    def _draw(self, status: TrainingStatus, losses: Losses) -> None:
        if self.scalars is None:
            return
        first = status.step - len(losses)
        rates = [learning_rate(self.settings, step) for step in range(first, status.step)]
        self.scalars.add_row("train/loss", first + 1, losses)
        self.scalars.add_row("train/learning_rate", first + 1, rates)
        self.scalars.add(status.step, status.scalars())

    def _straggler(self, ranks: Sequence[Window]) -> Straggler | None:
        slow = self._stragglers.judge(ranks)
        if slow is None:
            self._last = None
            return None
        found = Straggler(slow.rank, self.nodes[slow.rank], slow.part, round(slow.share, 3))
        self.slow[found.rank, found.node, found.part] += 1
        if self._last is None or self._last.rank != found.rank:
            told = (found.rank, found.node, 100 * found.share, found.part)
            log.warning("rank %d on %s is slow: the others wait for it %.0f %% of a step (its %s)", *told)
        self._last = found
        return found

    def _rate(self, window: Window) -> float:
        return self.settings.global_batch * window.steps / window.training if window.training else 0.0

    def _mfu(self, window: Window) -> float | None:
        if self.flops is None or self.peak is None:
            return None
        return self.flops * self._rate(window) / (self.peak * self.settings.ranks)

    def _cost(self) -> Cost | None:
        price = self.settings.measure.usd_per_gpu_hour
        if price is None:
            return None
        return cost(self.ledger.attempts, self.settings.steps, price * self.settings.ranks)

    def summary(self) -> Measured:
        """Return what run.json says: of all attempts, but for shares, rate and MFU, which are the last one's."""
        self.ledger.touch()
        seconds, money = spent(self.ledger.attempts), self._cost()
        return Measured(
            attempts=len(self.ledger.attempts),
            goodput=seconds.goodput,
            seconds=seconds.model_dump(),
            samples_per_second=self._rate(self.total),
            mfu=self._mfu(self.total),
            flops_per_sample=self.flops,
            shares=shares(self.total),
            memory_bytes=self.memory,
            cost_usd=money.so_far if money else None,
            stragglers=[
                SlowRank(rank=rank, node=node, part=part, windows=windows)
                for (rank, node, part), windows in self.slow.items()
            ],
            slow_links=[self._link(link) for link in self.links],
        )

    def _link(self, link: Link) -> dict[str, Json]:
        nodes = [self.nodes[rank] for rank in link.ranks]
        return {
            "ranks": list(link.ranks),
            "nodes": nodes,
            "bytes_per_second": link.rate,
            "median_bytes_per_second": link.median,
        }


def mean_of(ranks: Sequence[Window]) -> Window:
    """The mean of each rank's window; all have done the same steps."""
    total: Any = reduce(add, ranks)
    count = len(ranks)
    return Window(
        ranks[0].steps,
        total.wall / count,
        total.data / count,
        total.communication / count,
        total.checkpoint / count,
    )


def shares(window: Window) -> dict[str, float]:
    """Of the wall time, by part."""
    return {part: seconds / window.wall if window.wall else 0.0 for part, seconds in window.parts().items()}
