"""What the index of an encoded folder says of the training samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platen.dataset import read_columns

if TYPE_CHECKING:
    import pyarrow as pa

TRAIN = "train"


def training_rows(folder: Path, shard: str, columns: Sequence[str]) -> pa.Table:
    """Some columns of a shard's index, of the training samples alone, in the order of its arrays.

    The column `row` says where in the arrays each of them lies.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    table = read_columns(folder, shard, [*columns, "split"])
    rows = pa.array(np.arange(len(table), dtype=np.int32))
    return table.append_column("row", rows).filter(pc.equal(table["split"], TRAIN)).drop_columns("split")
