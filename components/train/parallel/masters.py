"""The fp32 numbers that a rank's optimizer updates, and which part of which parameter each of them is.

Under ZeRO a parameter's own tensor may be empty or of low precision; what training changes are flat tensors of which
each rank holds a part, laid out differently by each stage. Code that reads parameters as if they were whole sees
nothing and fails silently, so whatever must know of the layout asks here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from platen.core.errors import ProcessError

SCALER = ("cur_scale", "cur_iter", "last_overflow_iter", "last_rescale_iter", "cur_hysteresis")


@dataclass(frozen=True)
class Piece:
    """Numbers `start` to `start + length` of a flattened parameter, at `offset` of this rank's flat tensor `flat`."""

    name: str
    start: int
    length: int
    flat: int
    offset: int


class Masters(ABC):
    """What one rank's optimizer holds.

    Attributes:
        keys: The tensors by which the inner optimizer knows its state, one a flat tensor.
        pieces: In the order of the model's parameters; without padding.
        shapes: The whole shape of each trained parameter.
    """

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.optimizer = engine.optimizer
        self.trained = [(name, each) for name, each in engine.module.named_parameters() if each.requires_grad]
        self.shapes = {name: self.shape(parameter) for name, parameter in self.trained}
        self.keys = self.find_keys()
        self.pieces = list(self.find_pieces())

    @abstractmethod
    def find_keys(self) -> Sequence[Tensor]:
        """The tensors by which the inner optimizer knows its state, one a flat tensor."""

    @abstractmethod
    def find_pieces(self) -> Iterator[Piece]:
        """The pieces that this rank holds."""

    @abstractmethod
    def refresh(self) -> None:
        """Have the model's own weights follow the fp32 ones, after these were written. Collective."""

    def shape(self, parameter: nn.Parameter) -> torch.Size:
        """The whole shape of a parameter."""
        return parameter.shape

    def saved(self) -> list[Piece]:
        """The pieces that are this rank's to save: all ranks together have each number once."""
        return self.pieces

    @contextmanager
    def resident(self, flat: int) -> Iterator[Tensor]:
        """A flat tensor (n,), in memory while this lasts; what is written to it stays."""
        yield self.keys[flat].data.view(-1)

    @property
    def inner(self) -> torch.optim.Optimizer:
        """The optimizer that DeepSpeed hands the flat tensors to."""
        found: torch.optim.Optimizer = self.optimizer.optimizer
        return found

    def moments(self, flat: int) -> dict[str, Tensor]:
        """The optimizer's state of a resident flat tensor, flat: a number for each of its numbers.

        Raises ProcessError for an optimizer that keeps anything else: a resume would lose it silently.
        """
        key = self.keys[flat]
        state = {name: value for name, value in self.inner.state.get(key, {}).items() if name != "step"}
        for name, value in state.items():
            if not torch.is_tensor(value) or value.shape != key.shape or value.dtype != torch.float32:
                raise ProcessError(
                    f"the optimizer keeps {name!r}, which a checkpoint cannot hold: not a number a weight"
                )
        return {name: value.view(-1) for name, value in state.items()}

    def updates(self) -> float:
        """How often the optimizer has updated: it corrects its moments by that."""
        states = (self.inner.state.get(key, {}) for key in self.keys)
        return max((float(state["step"]) for state in states if "step" in state), default=0.0)

    def set_moments(self, flat: int, moments: dict[str, Tensor], updates: float) -> None:
        """Give a flat tensor's state to the optimizer: moments like it, flat, and how often it has updated."""
        key = self.keys[flat]
        state: dict[str, Tensor] = {name: value.view_as(key) for name, value in moments.items()}
        fused = any(group.get("fused") or group.get("capturable") for group in self.inner.param_groups)
        state["step"] = torch.tensor(updates, device=key.device if fused else "cpu")
        self.inner.state[key] = state

    def scaler(self) -> dict[str, float]:
        """The state of dynamic loss scaling (fp16); empty without."""
        holder = self._scaler_holder()
        return {name: getattr(holder, name) for name in SCALER if hasattr(holder, name)}

    def set_scaler(self, values: dict[str, float]) -> None:
        """Take over the state of dynamic loss scaling."""
        for name, value in values.items():
            setattr(self._scaler_holder(), name, value)

    def _scaler_holder(self) -> Any:
        return getattr(self.optimizer, "loss_scaler", self.optimizer)


class Whole(Masters):
    """Stage 0: every rank holds everything; in fp32 the parameters themselves."""

    def find_keys(self) -> Sequence[Tensor]:
        """A tensor a parameter."""
        groups = getattr(self.optimizer, "fp32_groups", None)
        return [part for group in groups for part in group] if groups else [each for _, each in self.trained]

    @property
    def inner(self) -> torch.optim.Optimizer:
        """In fp32 DeepSpeed leaves the optimizer as it is."""
        found: torch.optim.Optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        return found

    def find_pieces(self) -> Iterator[Piece]:
        """Whole parameters."""
        for flat, (name, parameter) in enumerate(self.trained):
            yield Piece(name, 0, parameter.numel(), flat, 0)

    def saved(self) -> list[Piece]:
        """Every rank's share of the parameters."""
        return self.pieces[dist.get_rank() :: dist.get_world_size()]

    def refresh(self) -> None:
        """Copy."""
        for key, (_, parameter) in zip(self.keys, self.trained, strict=True):
            parameter.data.copy_(key.data)


class Split(Masters):
    """Stages 1 and 2: each rank has a stretch of all parameters laid end to end."""

    def find_keys(self) -> Sequence[Tensor]:
        """A tensor a group of parameters; bf16 with fp32 gradients at stage 1 has an optimizer of its own."""
        name = "single_partition_of_fp32_groups"
        found: Sequence[Tensor] = getattr(self.optimizer, name, None) or self.optimizer.fp32_groups_flat_partition
        return found

    def find_pieces(self) -> Iterator[Piece]:
        """As DeepSpeed links them."""
        for name, parameter in self.trained:
            link: Any = parameter._hp_mapping
            if link is not None:
                at, where = link.lp_fragment_address, link.hp_fragment_address
                yield Piece(name, at.start, at.numel, link.param_group_index, where.start)

    def refresh(self) -> None:
        """Each rank copies its stretch, then all gather."""
        self.optimizer.update_lp_params()


class SplitEach(Masters):
    """Stage 3: each rank has an equal slice, padded, of every parameter."""

    def find_keys(self) -> Sequence[Tensor]:
        """A tensor a sub-group of parameters."""
        found: Sequence[Tensor] = self.optimizer.fp32_partitioned_groups_flat
        return found

    def shape(self, parameter: nn.Parameter) -> torch.Size:
        """As it was before it was split."""
        found: torch.Size = parameter.ds_shape  # type: ignore[attr-defined]
        return found

    def find_pieces(self) -> Iterator[Piece]:
        """A slice of each parameter; small ones leave nothing for the last ranks."""
        rank = dist.get_rank()
        for name, parameter in self.trained:
            flat, offset, length = self.optimizer.grad_position[self.optimizer.get_param_id(parameter)]
            held = min(length, self.shapes[name].numel() - rank * length)
            if held > 0:
                yield Piece(name, rank * length, held, int(flat), int(offset))

    @contextmanager
    def resident(self, flat: int) -> Iterator[Tensor]:
        """Bring it from the NVMe disk where it lies there."""
        away = self.optimizer._swappable_optimizer_subgroup(flat)
        if away:
            self.optimizer._optimizer_states_and_gradient_swap_in(flat)
        try:
            yield self.keys[flat].data.view(-1)
        finally:
            if away:
                self.optimizer._optimizer_states_and_gradient_swap_out(flat)

    def refresh(self) -> None:
        """Each rank copies its slices; what else there is of the old weights, as hpZ's second copies, goes."""
        self.optimizer.checkpoint_event_prologue()
        for flat in range(len(self.keys)):
            with self.resident(flat):
                self.optimizer._reassign_or_swap_out_partitioned_parameters(flat)
        self.optimizer.checkpoint_event_epilogue()


def masters_of(engine: Any) -> Masters:
    """What a DeepSpeed engine's optimizer holds on this rank."""
    if hasattr(engine.optimizer, "fp32_partitioned_groups_flat"):
        return SplitEach(engine)
    if hasattr(engine.optimizer, "update_lp_params"):
        return Split(engine)
    return Whole(engine)
