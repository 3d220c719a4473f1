"""Which source a sample is of, and weights that fit no sample.

A sample's `source` is its path below the source folder, or its URL; a source that has a weight is a leading part of it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platen.artifacts.dataset import shards_of
from platen.artifacts.encoded import training_rows
from platen.core.errors import SettingsError
from platen.core.settings import nearest

if TYPE_CHECKING:
    import numpy as np

    Numbers = dict[str, np.ndarray]

FIELD = "train.data.weights"
HEAD = r"^(?P<head>[a-z]+://[^/]+|[^/]+)/"  # a URL's host, or the first folder
NAMED = 20  # sources that an error names, at most


def numbers_of(folder: Path, weights: Mapping[str, float]) -> Numbers:
    """For each shard of an encoded folder, the number (samples,) of the source that each training sample is of.

    Numbers go by the order of the weights. Of several names that fit, the longest counts.

    Raises:
        SettingsError: A name that no training sample lies below, or samples that lie below none.
    """
    import numpy as np

    names = list(weights)
    found = {shard: _numbers(_sources(folder, shard), names) for shard in shards_of(folder)}
    counts = sum((np.bincount(numbers + 1, minlength=len(names) + 1) for numbers in found.values()), np.zeros(1, int))
    for name, count in zip(names, counts[1:], strict=True):
        if not count:
            raise SettingsError(FIELD, f"{name!r}: no training sample lies below it", _known(folder, name))
    if counts[0]:
        raise SettingsError(
            FIELD,
            f"{counts[0]} training samples lie below none of {', '.join(names)}, e.g. {_example(folder, found)}",
            "a weight for every source; 0 leaves one out",
        )
    return found


def _sources(folder: Path, shard: str) -> Any:
    """The column `source` of a shard's training samples."""
    return training_rows(folder, shard, ["source"])["source"]


def _numbers(sources: Any, names: Sequence[str]) -> np.ndarray:
    """The number of the longest name that each source lies below, -1 for none."""
    import numpy as np
    import pyarrow.compute as pc

    numbers = np.full(len(sources), -1, np.int16)
    for name in sorted(names, key=len):
        below = pc.or_(pc.equal(sources, name), pc.starts_with(sources, f"{name.rstrip('/')}/"))
        numbers[below.to_numpy().astype(bool)] = names.index(name)
    return numbers


def _known(folder: Path, name: str) -> str:
    """The sources that there are, in words; of many those whose names are closest."""
    import pyarrow.compute as pc

    heads: set[str] = set()
    for shard in shards_of(folder):
        found = pc.struct_field(pc.extract_regex(_sources(folder, shard), HEAD), "head")
        heads |= {head for head in pc.unique(found).to_pylist() if head}
    if not heads:
        return "{}; no sample lies in a folder of its own"
    return nearest(name, difflib.get_close_matches(name, sorted(heads), NAMED, cutoff=0))


def _example(folder: Path, found: Numbers) -> str:
    shard, numbers = next((shard, numbers) for shard, numbers in found.items() if (numbers < 0).any())
    return str(_sources(folder, shard)[int((numbers < 0).argmax())])
