"""DeepSpeed's ZeRO: what it splits, and the configuration that settings stand for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import deepspeed
import torch.distributed as dist
from torch import nn

from platen.components.train.parallel.settings import ZeroSettings
from platen.components.train.settings import TrainSettings

PATIENCE = timedelta(hours=1)  # for another rank: one may have a large checkpoint or the export to bring to a bucket
BUCKET = 50_000_000  # numbers that are reduced at once, so that reducing overlaps with computing


def init_processes() -> None:
    """Join the ranks: NCCL on GPUs, gloo on CPUs.

    On CPUs DeepSpeed would compile a shared-memory extension here (30 s, with a compiler that an image need not have);
    only its inference calls use it, so it is declared absent.
    """
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(timeout=PATIENCE)


def host_group() -> dist.ProcessGroup:
    """The ranks over gloo, for what their processes tell each other: a GPU need not be waited for. Collective."""
    group: dist.ProcessGroup = dist.new_group(backend="gloo", timeout=PATIENCE)
    return group


def engine_config(settings: TrainSettings, largest: int = 0) -> dict[str, Any]:
    """The DeepSpeed configuration that settings stand for.

    Args:
        settings: Of the run.
        largest: Numbers of the model's largest parameter; needed where parameters lie on NVMe.
    """
    return {
        "train_batch_size": settings.global_batch,
        "train_micro_batch_size_per_gpu": settings.micro_batch,
        "gradient_accumulation_steps": settings.global_batch // (settings.micro_batch * dist.get_world_size()),
        "gradient_clipping": settings.optimizer.clip_gradient,
        "bf16": {"enabled": settings.precision == "bf16", "check_grad_overflow": True},
        "fp16": {"enabled": settings.precision == "fp16", "loss_scale": 0, "initial_scale_power": 16},
        "zero_optimization": zero_config(settings.zero, largest),
        # qgZ's kernels take what they get for fp16 numbers
        **({"communication_data_type": "fp16"} if settings.zero.quantized_gradients else {}),
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,  # PyTorch's fused AdamW runs on CPUs, and needs no compiler
        "wall_clock_breakdown": False,
        "steps_per_print": 2**31,
    }


def zero_config(zero: ZeroSettings, largest: int) -> dict[str, Any]:
    """Its part on ZeRO."""
    config: dict[str, Any] = {
        "stage": zero.stage,
        "overlap_comm": dist.get_backend() == "nccl",
        "contiguous_gradients": True,
        "reduce_bucket_size": BUCKET,
    }
    if zero.offload_optimizer != "none":
        config["offload_optimizer"] = offload(zero.offload_optimizer, zero)
    if zero.offload_optimizer == "nvme":
        config["sub_group_size"] = zero.nvme_sub_group
    if zero.stage == 3:
        config |= {
            # one gather for many small tensors, none kept whole: kept ones are gathered again one by one after a step
            "stage3_param_persistence_threshold": 0,
            "stage3_prefetch_bucket_size": 10_000_000,
            "zero_hpz_partition_size": zero.secondary_partition,
            "zero_quantized_gradients": zero.quantized_gradients,
        }
        if zero.offload_parameters != "none":
            config["offload_param"] = offload(zero.offload_parameters, zero)
        if zero.offload_parameters == "nvme":  # five buffers, each for a rank's part of one parameter
            config["offload_param"]["buffer_size"] = -(-largest // dist.get_world_size())
    return config


def offload(where: str, zero: ZeroSettings) -> dict[str, Any]:
    """Where something lies instead of on the GPU. On an NVMe disk DeepSpeed makes a folder for each rank."""
    pinned = dist.get_backend() == "nccl"
    if where == "cpu":
        return {"device": "cpu", "pin_memory": pinned}
    return {"device": "nvme", "nvme_path": zero.nvme_path, "pin_memory": pinned}


def bundle_small_modules(network: nn.Module, classes: Sequence[str], settings: TrainSettings) -> None:
    """Have ZeRO-3 gather a block at once and not layer by layer: fewer, larger messages.

    Not with adapters, as a bundle is let go before these have their gradients; nor with parameters on NVMe, of which
    each needs a buffer.

    Args:
        network: Of which the blocks are part.
        classes: Names of their classes.
        settings: Of the run.
    """
    if settings.zero.stage < 3 or settings.lora or settings.zero.offload_parameters == "nvme":
        return
    for module in deepspeed.utils.set_z3_leaf_modules(network, list(classes)):
        # DeepSpeed lets a bundle go once the gradients of its inputs are there, and sees those given by place alone:
        # a block that gets one by name would lose its parameters before that one's gradient is computed
        signature = inspect.signature(module.forward)
        module.register_forward_pre_hook(functools.partial(_by_place, signature), with_kwargs=True)


def _by_place(
    signature: inspect.Signature, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give a module's arguments by place, as far as they have one."""
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args, bound.kwargs
