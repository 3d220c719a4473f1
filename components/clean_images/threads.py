"""How many threads there are cores for."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
# Microseconds on all cores, of how many: version 2 has one file, version 1 two. Source: docs.kernel.org, cgroup-v2.
QUOTAS = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))


def cores(cgroups: Path = CGROUPS) -> int:
    """Cores that this process may use: those of the machine, fewer where it is bound or its container has a quota."""
    machine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    granted = [number for names in QUOTAS if (number := cores_of(_read(cgroups, names)))]
    return min([machine, *granted])


def cores_of(quota: str) -> int | None:
    """How many cores a quota keeps busy, as in `150000 100000`: 2; None where there is no limit."""
    try:
        time, period = (int(word) for word in quota.split())
    except ValueError:  # `max 100000`, or nothing at all
        return None
    return math.ceil(time / period) if time > 0 and period > 0 else None


def _read(cgroups: Path, names: tuple[str, ...]) -> str:
    try:
        return " ".join((cgroups / name).read_text() for name in names)
    except OSError:
        return ""
