from __future__ import annotations

from pathlib import Path

from platen.components.base.tiny_pixart_sigma import write
from platen.families.generation import GenerationPipeline
from platen.families.registry import family_named
from tests.components.base.parts import random_parts


def test_the_folder_is_one_of_the_family_and_generates(tmp_path: Path) -> None:
    write(random_parts(transformer_width=32, transformer_layers=1), tmp_path)
    family = family_named("pixart-sigma")
    family.check(tmp_path)
    family.check_weights(tmp_path)
    assert family.size_multiple(tmp_path) == 8
    (image,) = GenerationPipeline.load(tmp_path, "cpu", "float32").generate(["a red circle"], [1], 32, 32, 2, 2.0)
    assert image.size == (32, 32)
