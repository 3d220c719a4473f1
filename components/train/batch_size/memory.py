"""How much memory a rank has, and how much it took."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path

CGROUP = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
GIB = 2**30


@dataclass(frozen=True)
class Taken:
    """Bytes at the highest moment, and those that there are."""

    peak: int
    limit: int

    @property
    def share(self) -> float:
        """Of the limit."""
        return self.peak / self.limit

    def __str__(self) -> str:
        """For a message."""
        return f"{self.peak / GIB:.2f} of {self.limit / GIB:.2f} GiB a rank ({self.share:.0%})"


def host_bytes(files: tuple[Path, ...] = CGROUP) -> int:
    """Memory of this machine, or of the container where that is less."""
    import psutil

    whole = int(psutil.virtual_memory().total)
    texts = [file.read_text().strip() for file in files if file.is_file()]
    return min([whole, *(int(text) for text in texts if text.isdigit())])


def host_taken(limit: int) -> Taken:
    """What this process held in memory at its highest moment, libraries included."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return Taken(int(status["VmHWM"].split()[0]) * 1024, limit)  # ru_maxrss begins with what the parent held


def hold_to(limit: int) -> None:
    """Have allocations above a number of bytes fail in this process, before the kernel kills another one for want."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def gpu_taken(limit: int | None) -> Taken:
    """What is taken of this rank's GPU, NCCL and CUDA included: what PyTorch has had it keeps, so the peak counts."""
    import torch

    free, whole = torch.cuda.mem_get_info()
    return Taken(whole - free, limit or whole)
