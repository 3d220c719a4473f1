"""How much of a node's disks a training needs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from platen.components.train.node.nvme import GIB
from platen.components.train.node.nvme import needed_bytes as nvme_bytes
from platen.components.train.settings import TrainSettings
from platen.core.manifest import File

WEIGHTS = r"(diffusion_pytorch_model|model)(-\d{5}-of-\d{5})?\.safetensors"  # of one part, whole or sharded
WIDEST = 4  # bytes of a number in a file of weights
STATES = 8  # size of the optimizer's states, gradients and average, in sizes of the base model, on the safe side


def disk_use(
    settings: TrainSettings, encoded: Sequence[File], base: Sequence[File], parts: Sequence[str], ranks: int
) -> list[str | int]:
    """Compute what a pod needs of its disks: scratch; a path on NVMe and what it needs there, if it uses one.

    All in whole GiB. Scratch holds the inputs, and checkpoints and export on their way. For NVMe the files of weights
    are not fetched to be counted: it is at least this much, if they are fp32 there.

    Args:
        settings: Of the training.
        encoded: Files of the encoded dataset.
        base: Files of the base model.
        parts: Its folders whose weights are trained.
        ranks: Of the pod.
    """
    needed = sum(file.size for file in encoded) + (1 + STATES) * sum(file.size for file in base)
    zero = settings.zero
    scratch = -(-needed // GIB)
    if zero.nvme_path is None or not zero.uses_nvme:
        return [scratch]
    weights = re.compile(rf"({'|'.join(map(re.escape, parts))})/{WEIGHTS}")
    parameters = sum(file.size for file in base if weights.fullmatch(file.path)) // WIDEST
    return [scratch, zero.nvme_path, nvme_bytes(settings, parameters, ranks) // GIB]
