"""Where models compute, and with how many threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from platen.core.errors import InputError


def pick_device(wanted: str, field: str) -> str:
    """Cpu or cuda; auto takes cuda where there is a device.

    Raises InputError that names the setting (`field`) where cuda is asked for and there is none.
    """
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError(f"{field}: 'cuda', but no CUDA device is usable here. Accepted: auto, cpu.")
    return wanted


@contextmanager
def fixed_threads(count: int) -> Iterator[None]:
    """Compute with this many threads: the order of sums, and so the last bits, depend on it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
