"""Turning and mirroring."""

from __future__ import annotations

import numpy as np
import pytest

from platen.components.clean_images.orientation import upright

F = np.array([[1, 2], [3, 4], [5, 6]], np.uint8)
EXPECTED = {
    1: [[1, 2], [3, 4], [5, 6]],
    2: [[2, 1], [4, 3], [6, 5]],
    3: [[6, 5], [4, 3], [2, 1]],
    4: [[5, 6], [3, 4], [1, 2]],
    5: [[1, 3, 5], [2, 4, 6]],
    6: [[5, 3, 1], [6, 4, 2]],
    7: [[6, 4, 2], [5, 3, 1]],
    8: [[2, 4, 6], [1, 3, 5]],
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight(orientation: int) -> None:
    turned = upright(np.stack([F, F, F], axis=2), orientation)
    assert turned[..., 0].tolist() == EXPECTED[orientation]
    assert turned.flags["C_CONTIGUOUS"]
