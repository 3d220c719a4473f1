from __future__ import annotations

from typing import get_args

from bench.demo_families import HEAD, every_family, row
from platen.components.base.settings import TinySettings


def test_there_is_an_example_for_each_family_that_base_makes_a_tiny_model_of() -> None:
    assert set(every_family()) == set(get_args(TinySettings.model_fields["family"].annotation))


def test_a_line_has_a_cell_for_each_column() -> None:
    stages = [{"name": "base", "seconds": 60.2}, {"name": "train", "seconds": 120.9}]
    line = row("toy", {"seconds": 250.4, "zero": {"parameters": 1234567}, "stages": stages}, 0.875)
    assert line == ["toy", "1,234,567", "88%", "250 s", "60 s", "121 s"]
    assert len(line) == len(HEAD)
