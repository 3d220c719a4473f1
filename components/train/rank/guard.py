"""What is done about a batch that would spoil the model: its loss is NaN, infinite, or far above those before it.

All ranks judge the mean over the whole global batch, before the last backward pass of its step. A batch that is not
admitted has its loss made NaN: DeepSpeed's optimizers leave out an update whose gradient is not finite, and keep
weights, moments and step count as they were; `watch_plain_optimizer` has torch's do the same. What was decided lies in
`guard.jsonl` (incidents.py), so that whoever goes on from an older checkpoint decides the same.

Rolling back (arXiv 2204.02311, section 5.1) goes on from the newest checkpoint that is older than the batches left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from platen.components.train.job import committed_steps
from platen.components.train.rank.incidents import INCIDENTS, Incident, read_incidents, write_incidents
from platen.components.train.rank.settings import GuardSettings
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError
from platen.core.storage import join
from platen.core.telemetry import log

TO_DEVIATION = 1.4826  # of a normal distribution: its standard deviation by its median absolute deviation
LEAST_SPREAD = 0.01  # of the median: losses that hardly move are no reason to call the next one a jump
NAMED = 8  # samples in an error's text

Losses = list[float | None]  # of the steps so far; None where the batch was left out


@dataclass
class Guard:
    """Judges the batches of one run. All ranks call it alike.

    Attributes:
        settings: Of the training.
        shared: Where its incidents lie.
        samples: The ids of the samples of a step, by their place in the batch.
        settle: Waits until the checkpoint under way is committed. Collective.
    """

    settings: TrainSettings
    shared: str
    samples: Callable[[int], list[str]]
    settle: Callable[[], None]
    incidents: dict[int, Incident] = field(init=False)
    _found: Incident | None = None  # of the step at hand
    _mean: float | None = None  # likewise, its loss

    def __post_init__(self) -> None:
        self.incidents = read_incidents(self.shared)

    def leaves_out(self, step: int) -> bool:
        """Whether a batch is known as one to be left out."""
        return any(_covers(incident, step) for incident in self.incidents.values())

    def opens(self, step: int) -> bool:
        """Begin a step; whether its batch is to be trained on."""
        self._found = self._mean = None
        return not self.leaves_out(step)

    def admit(self, step: int, last: Tensor, parts: list[Tensor], before: Losses) -> Tensor:
        """The loss of the last micro-batch, for its backward pass: NaN where the step is not to update the weights.

        Collective.

        Args:
            step: From 0.
            last: That loss, with its graph.
            parts: The losses of all of this rank's micro-batches.
            before: The losses of the steps before.

        Raises:
            SettingsError: The batch, or one too many, is not admitted.
        """
        mine = torch.stack(parts)
        total = mine.mean()
        dist.all_reduce(total)
        self._mean = float(total) / dist.get_world_size()
        fault = judge(self.settings.guard, self._mean, before)
        if fault is None:
            return last
        self._take_down(step, fault, self._blamed(step, mine.tolist()), before)
        return last * math.nan

    def applied(self, step: int, engine: Any, before: Losses) -> bool:
        """Whether the step has updated the weights; takes down a gradient that was not finite. Collective.

        With fp16 a gradient that overflows only tells DeepSpeed to scale the loss less.
        """
        if not engine.optimizer.overflow:
            return True
        if self._found is None and self.settings.precision != "fp16":
            self._take_down(step, ("on_nan", "its gradient is not finite"), [], before)
        return False

    @property
    def loss(self) -> float | None:
        """The mean loss of the step at hand; None where its batch was left out."""
        return None if self._found else self._mean

    def rolls_back_to(self) -> int | None:
        """The step before which to go on, where the batch at hand asks for that."""
        found = self._found
        return found.left_out[0] if found is not None and found.action == "roll_back" else None

    def contradiction(self, losses: Losses) -> int | None:
        """The first step that was trained on and should not have been: a roll back was broken off by a kill."""
        return next((step for step, loss in enumerate(losses) if loss is not None and self.leaves_out(step)), None)

    def _blamed(self, step: int, parts: list[float]) -> list[str]:
        """Ids of the samples in the worst micro-batches. Collective."""
        everyones: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(everyones, parts)
        by_place = [loss for of_ranks in zip(*everyones, strict=True) for loss in of_ranks]
        finite = all(map(math.isfinite, by_place))
        bad = [loss == max(by_place) if finite else not math.isfinite(loss) for loss in by_place]
        size = self.settings.micro_batch
        return [name for place, name in enumerate(self.samples(step)) if bad[place // size]]

    def _take_down(self, step: int, fault: tuple[str, str], worst: list[str], before: Losses) -> None:
        """Decide what is done, and write it down. Raises SettingsError where training stops."""
        name, reason = fault
        found = Incident(
            step=step,
            reason=reason,
            loss=self._mean if self._mean is not None and math.isfinite(self._mean) else None,
            action=getattr(self.settings.guard, name),
            left_out=(step, step),
            samples=self.samples(step),
            worst=worst,
        )
        found = self._with_reach(found)
        error = self._refusal(name, found, before)
        self._keep(found.model_copy(update={"action": "stop"}) if error else found)
        if error:
            raise error

    def _keep(self, found: Incident) -> None:
        self._found = self.incidents[found.step] = found
        if dist.get_rank() == 0:
            write_incidents(self.shared, self.incidents.values())
            told = found.model_dump(include={"step", "reason", "action", "worst"})
            log.warning("train: step %d (from 0): %s; %s", found.step, found.reason, found.action, extra={"data": told})
        dist.barrier()

    def _with_reach(self, found: Incident) -> Incident:
        """With the batches that a roll back leaves out; without a checkpoint that is old enough it is a skip."""
        if found.action != "roll_back":
            return found
        first = max(0, found.step - self.settings.guard.rewind + 1)
        self.settle()
        told = [any(step <= first for step in committed_steps(self.shared))] if dist.get_rank() == 0 else [None]
        dist.broadcast_object_list(told, src=0)
        return found.model_copy(update={"left_out": (first, found.step)} if told[0] else {"action": "skip"})

    def _refusal(self, name: str, found: Incident, before: Losses) -> SettingsError | None:
        """The error that ends the training, where it must."""
        named = ", ".join((found.worst or found.samples)[:NAMED])
        what = f"step {found.step} (from 0): {found.reason}; samples {named} (all in {join(self.shared, INCIDENTS)})"
        if found.action == "stop":
            accepted = "skip or roll_back (another model: training begins anew), or a training set without these"
            return SettingsError(f"train.guard.{name}", f"stop, and {what}", accepted)
        limit = self._limit_reached(found, before)
        if limit is None:
            return None
        most = getattr(self.settings.guard, limit)
        accepted = f"more than {most} (training goes on from its newest checkpoint), or data or settings without such"
        return SettingsError(f"train.guard.{limit}", f"{most}, and one more in {what}", accepted)

    def _limit_reached(self, found: Incident, before: Losses) -> str | None:
        guard = self.settings.guard
        rolled = [each for each in self.incidents.values() if each.action == "roll_back" and each.step != found.step]
        if found.action == "roll_back":
            return "most_roll_backs" if len(rolled) >= guard.most_roll_backs else None
        own = [loss for step, loss in enumerate(before) if not any(_covers(each, step) for each in rolled)]
        if len(list(takewhile(lambda loss: loss is None, reversed(own)))) >= guard.most_in_a_row:
            return "most_in_a_row"
        return "most_skipped" if own.count(None) >= guard.most_skipped else None


def judge(settings: GuardSettings, loss: float, before: Losses) -> tuple[str, str] | None:
    """The setting that says what to do about a loss, and what is wrong with it; None where nothing is."""
    if not math.isfinite(loss):
        return "on_nan", f"its loss is {loss}"
    if settings.on_spike == "ignore":
        return None
    highest = spike_limit(settings, before)
    if highest is None or loss <= highest:
        return None
    return "on_spike", f"its loss {loss:.4g} is above {highest:.4g}"


def spike_limit(settings: GuardSettings, before: Losses) -> float | None:
    """The highest loss that is no jump; None as long as there are too few to tell."""
    known = list(islice((loss for loss in reversed(before) if loss is not None), settings.window))
    if len(known) < settings.window:
        return None
    losses = torch.tensor(known, dtype=torch.float64)
    median = losses.median()
    deviation = TO_DEVIATION * (losses - median).abs().median()
    return float(median + settings.spike_factor * max(deviation, LEAST_SPREAD * median.abs()))


def _covers(incident: Incident, step: int) -> bool:
    first, last = incident.left_out
    return incident.action != "stop" and first <= step <= last


def watch_plain_optimizer(optimizer: Any) -> None:
    """Have an optimizer of torch leave out an update whose gradient is not finite, and say so, as DeepSpeed's do.

    DeepSpeed trains with it as it is at stage 0 in fp32. All ranks hold the same gradient.
    """

    def before_update(optimizer: torch.optim.Optimizer, *rest: object) -> None:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients)) if gradients else torch.zeros(1)
        optimizer.overflow = not bool(norms.isfinite().all())  # type: ignore[attr-defined]
        if optimizer.overflow:  # type: ignore[attr-defined]
            for parameter in parameters:
                parameter.grad = None

    if isinstance(optimizer, torch.optim.Optimizer) and not hasattr(optimizer, "overflow"):
        optimizer.register_step_pre_hook(before_update)
