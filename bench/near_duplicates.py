"""Seconds that the search for near duplicates takes, on random hashes (nothing to find).

    python -m bench.near_duplicates [pictures]

The hashes are 63 random bits; all pictures have the same shape.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from bench.rows import Row
from platen.components.merge.duplicates import near_duplicates
from platen.components.merge.join import Candidate
from platen.components.merge.settings import MergeSettings


def main() -> None:
    """Print time and memory."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    hashes = np.random.default_rng(0).integers(0, 2**63, count)
    candidates = [Candidate(f"{n:016x}", "", "", "00000", n, "", int(h), 1.0) for n, h in enumerate(hashes)]
    limits = MergeSettings()
    started = time.perf_counter()
    near_duplicates(
        candidates,
        lambda some: np.zeros((len(some), 16, 16, 3), np.uint8),
        limits.max_distance,
        limits.near_duplicate_rms,
    )
    seconds = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    parts = {"pictures": count, "highest memory of the process, MiB": memory}
    Row("seconds to find near duplicates", seconds, "", parts, "random hashes, nothing to find; one process").tell()


if __name__ == "__main__":
    main()
