"""Arithmetic of a training step, and what a device could do in the same time: model FLOP/s utilisation (MFU).

MFU as in arXiv 2204.02311, appendix B: what recomputation adds (gradient checkpointing) is not counted.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from platen.artifacts.encoded import LATENTS, EncodedDataset
from platen.components.train.data.batch import batch_conditions, move_conditions
from platen.components.train.models.denoiser import Pretrained
from platen.core.telemetry import log

TERA = 1e12
BACKWARD = 2  # a backward pass takes twice the products of a forward pass: for inputs and for weights

# Dense TFLOP/s by a part of the device's name: (fp32, bf16 and fp16). As in the planner's price table, which names the
# sources; a test holds the two together.
PEAKS = {
    "H200": (67, 989),
    "H100": (67, 989),
    "A100": (19.5, 312),
}
SIZE, TRIES = 512, 5  # of the product that a CPU is tried with


def sample_flops(base: Pretrained, data: EncodedDataset, *, adapters: bool) -> int | None:
    """Count floating-point operations of training on one sample, the mean over all sizes of images.

    Conditions of variable length count as those of the first sample of a size.

    None, with a warning, for a model that cannot run on the meta device: that is no reason not to train.

    Args:
        base: The model.
        data: What is trained on.
        adapters: Whether the model's own weights are frozen: they need no gradients then; products of the adapters
            themselves are few, and left out.
    """
    try:
        with torch.device("meta"):
            model = base.build()
        sizes = [(len(numbers), data.read(np.array(numbers[:1]))) for numbers in data.buckets]
        forward = sum(
            count * forward_flops(model, torch.as_tensor(sample[LATENTS]), batch_conditions(data, sample, [False]))
            for count, sample in sizes
        )
        return forward // len(data) * (BACKWARD if adapters else 1 + BACKWARD)
    except (NotImplementedError, RuntimeError) as error:
        log.warning("train: no MFU, the model's arithmetic cannot be counted: %s", error)
        return None


def forward_flops(model: nn.Module, latents: Tensor, conditions: dict[str, Tensor]) -> int:
    """Count floating-point operations of a forward pass of one sample.

    Args:
        model: On the meta device, so that nothing is computed.
        latents: Latents (1, c, h, w); only their shape counts, as that of conditions.
        conditions: Of the sample.
    """
    inputs = torch.empty(latents.shape, device="meta"), torch.zeros(1, device="meta")
    moved = move_conditions(conditions, "meta", torch.float32)
    counter = FlopCounterMode(display=False)
    # attention's fused kernels are not in the counter's table on every device; its products are
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model(*inputs, moved)
    return int(counter.get_total_flops())


def peak_flops(device: torch.device, precision: str) -> float | None:
    """FLOP/s of which a device is capable: of a known GPU as its maker says, of a CPU by trying; None: not known."""
    if device.type == "cpu":
        return _tried(torch.bfloat16 if precision == "bf16" else torch.float32)
    return known_peak(torch.cuda.get_device_name(device), precision)


def known_peak(name: str, precision: str) -> float | None:
    """FLOP/s of a GPU by its name; None where it is not in the table."""
    for part, (single, half) in PEAKS.items():
        if part in name:
            return (single if precision == "fp32" else half) * TERA
    return None


def _tried(dtype: torch.dtype) -> float:
    """The fastest of some products of square matrices, on as many threads as training has."""
    matrix: Any = torch.ones(SIZE, SIZE, dtype=dtype)
    matrix @ matrix
    seconds = []
    for _ in range(TRIES):
        started = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - started)
    return 2 * SIZE**3 / min(seconds)
