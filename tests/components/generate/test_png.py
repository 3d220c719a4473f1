"""A generated image says what made it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from platen.components.generate.png import write_png
from platen.components.generate.prompts import SEEDS, Prompt

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=50)


@given(text=TEXT, seed=st.integers(0, SEEDS - 1))
@settings(max_examples=10)  # each is a file that is synced
def test_any_prompt_is_read_back_and_no_pixel_is_changed(tmp_path_factory, text: str, seed: int) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("png") / "0.png"
    pixels = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    write_png(path, Image.fromarray(pixels), Prompt(prompt=text, seed=seed), "ab" * 32)
    with Image.open(path) as found:
        assert found.text == {"prompt": text, "seed": str(seed), "model": "ab" * 32}  # type: ignore[attr-defined]
        assert (np.asarray(found) == pixels).all()


def test_the_same_image_is_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_png(tmp_path / name, Image.new("RGB", (8, 8), "red"), Prompt(prompt="a", seed=1), "m")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
