"""From the arrays of some samples to what the denoiser reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from platen.artifacts.encoded import EncodedDataset
from platen.families.batch import stack_conditions

if TYPE_CHECKING:
    from platen.artifacts.encoded import Arrays


def batch_conditions(data: EncodedDataset, arrays: Arrays, dropped: Sequence[bool]) -> dict[str, Tensor]:
    """Stack the conditions of samples to a batch on the CPU, in their stored precision.

    Args:
        data: Where they are from.
        arrays: What it read.
        dropped: Whether the empty caption takes the place of a sample's own.
    """
    varying, batch = data.record.variable_length, dict[str, Tensor]()
    for name in data.record.conditions:
        own, empty = arrays[name], torch.from_numpy(data.empty_caption[name])
        if name not in varying:
            batch[name] = torch.as_tensor(own)
            batch[name][torch.tensor(dropped)] = empty
            continue
        samples = [empty if drop else torch.from_numpy(array) for array, drop in zip(own, dropped, strict=True)]
        batch |= stack_conditions({name: samples}, varying)
    return batch


def move_conditions(conditions: dict[str, Tensor], device: torch.device | str, dtype: torch.dtype) -> dict[str, Tensor]:
    """Move conditions to a device, and those that are no ids or masks to a precision."""
    return {
        name: tensor.to(device, dtype) if tensor.is_floating_point() else tensor.to(device)
        for name, tensor in conditions.items()
    }
