"""Sizes of tensors, by the header of a file alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.numpy import save_file

from platen.components.train.models.tensors import tensor_sizes

SHAPES = st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=1, max_size=5)


@given(shapes=SHAPES)
@settings(max_examples=25)
def test_any_shapes(tmp_path_factory: pytest.TempPathFactory, shapes: list[list[int]]) -> None:
    file = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file({str(i): np.zeros(shape, np.float16) for i, shape in enumerate(shapes)}, file)
    assert sorted(tensor_sizes(file)) == sorted(math.prod(shape) for shape in shapes)


def test_a_file_that_is_cut_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"a": np.zeros((3, 5), np.float32)}, file)
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(SafetensorError):
        tensor_sizes(file)
