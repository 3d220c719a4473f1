"""Read the headers of weight files. Separate from files.py, which light images import without safetensors."""

from __future__ import annotations

import math
from pathlib import Path


def tensor_sizes(weights: Path) -> list[int]:
    """How many numbers each tensor of a safetensors file has; only its header is read."""
    from safetensors import safe_open

    with safe_open(weights, framework="numpy") as file:
        return [math.prod(file.get_slice(name).get_shape()) for name in file.keys()]  # noqa: SIM118 - no mapping
