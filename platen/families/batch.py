"""Stack the conditions of samples to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from platen.families.base import MASK


def stack_conditions(conditions: Mapping[str, Sequence[Tensor]], variable_length: frozenset[str]) -> dict[str, Tensor]:
    """Stack the conditions of samples to a batch.

    Those of variable length are padded with zeros to the longest of the batch, and get a mask beside them.

    Args:
        conditions: For each name a tensor per sample.
        variable_length: The names that are padded.
    """
    batch: dict[str, Tensor] = {}
    for name, tensors in conditions.items():
        if name not in variable_length:
            batch[name] = torch.stack(list(tensors))
            continue
        batch[name] = pad_sequence(list(tensors), batch_first=True)
        lengths = torch.tensor([len(tensor) for tensor in tensors], device=batch[name].device)
        batch[name + MASK] = torch.arange(batch[name].shape[1], device=lengths.device) < lengths[:, None]
    return batch
