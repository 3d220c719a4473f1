"""What DeepSpeed ZeRO-3 splits over the ranks, and how whole tensors come back out of it.

Under ZeRO-3 a parameter's own tensor is empty outside of a forward or backward pass; each rank holds a slice of it.
Code that reads parameters as if they were whole sees nothing and fails silently, so all of that is in this file.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import deepspeed
import torch
import torch.distributed as dist
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from platen.components.train.settings import TrainSettings

PATIENCE = timedelta(hours=1)  # for another rank: one may have a large checkpoint or the export to bring to a bucket


def init_processes() -> None:
    """Join the ranks: NCCL on GPUs, gloo on CPUs.

    On CPUs DeepSpeed would compile a shared-memory extension here (30 s, with a compiler that an image need not have);
    only its inference calls use it, so it is declared absent.
    """
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(timeout=PATIENCE)


def engine_config(settings: TrainSettings) -> dict[str, Any]:
    """The DeepSpeed configuration that settings stand for."""
    return {
        "train_batch_size": settings.global_batch,
        "train_micro_batch_size_per_gpu": settings.micro_batch,
        "gradient_accumulation_steps": settings.global_batch // (settings.micro_batch * dist.get_world_size()),
        "gradient_clipping": settings.optimizer.clip_gradient,
        "bf16": {"enabled": settings.precision == "bf16"},
        "zero_optimization": {
            "stage": settings.zero.stage,
            "overlap_comm": dist.get_backend() == "nccl",
            "contiguous_gradients": True,
            # one gather for many small tensors, none kept whole: kept ones are gathered again one by one after a step
            "stage3_param_persistence_threshold": 0,
            "stage3_prefetch_bucket_size": 10_000_000,
            "stage3_gather_16bit_weights_on_model_save": True,
        },
        "zero_allow_untested_optimizer": True,
        "wall_clock_breakdown": False,
        "steps_per_print": 2**31,
    }


def bundle_small_modules(model: nn.Module) -> None:
    """Have ZeRO-3 gather a residual or attention block at once and not layer by layer: fewer, larger messages."""
    deepspeed.utils.set_z3_leaf_modules(model.unet, [ResnetBlock2D, Transformer2DModel])


def slice_of(parameter: nn.Parameter) -> Tensor:
    """The slice (flat, padded to equal length on all ranks) of a parameter that this rank holds."""
    found: Tensor = parameter.ds_tensor  # type: ignore[attr-defined]
    return found


def whole_shape(parameter: nn.Parameter) -> torch.Size:
    """The shape of the whole parameter."""
    shape: torch.Size = parameter.ds_shape  # type: ignore[attr-defined]
    return shape


def whole_count(model: nn.Module) -> int:
    """Elements of all parameters of a partitioned model, counted once."""
    return sum(whole_shape(parameter).numel() for parameter in model.parameters())


def held_counts(model: nn.Module) -> list[int]:
    """Elements of the parameters' slices that each rank holds, padding left out. Collective."""
    rank = dist.get_rank()
    held = 0
    for parameter in model.parameters():
        length = slice_of(parameter).numel()
        held += min(length, max(whole_shape(parameter).numel() - rank * length, 0))
    counts: list[int] = [0] * dist.get_world_size()
    dist.all_gather_object(counts, held)
    return counts


def gather_whole(part: Tensor, shape: torch.Size) -> Tensor:
    """A whole tensor from the equal slices of all ranks. Collective; every rank gets it."""
    parts = [torch.empty_like(part) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, part.contiguous())
    return torch.cat(parts)[: shape.numel()].view(shape)


def load_whole(model: nn.Module, state: dict[str, Tensor] | None) -> None:
    """Put whole tensors into a partitioned model, one at a time. Collective; only rank 0 needs to have `state`."""
    for name, parameter in model.named_parameters():
        with deepspeed.zero.GatheredParameters([parameter], modifier_rank=0):
            if dist.get_rank() == 0 and state is not None:
                parameter.data.copy_(state[name])


def master_slices(engine: Any) -> list[Tensor]:
    """The flat fp32 partitions that this rank's optimizer updates, one a sub-group."""
    slices: list[Tensor] = engine.optimizer.fp32_partitioned_groups_flat
    return slices


def named_master_slices(engine: Any, flat: list[Tensor]) -> Iterator[tuple[str, nn.Parameter, Tensor]]:
    """Name, parameter and its slice within flat partitions laid out like the optimizer's (master weights or EMA)."""
    for name, parameter in engine.module.named_parameters():
        group, offset, length = engine.optimizer.grad_position[engine.optimizer.get_param_id(parameter)]
        yield name, parameter, flat[group].narrow(0, int(offset), length)
