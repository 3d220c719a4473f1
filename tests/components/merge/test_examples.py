"""Small pictures of what was dropped."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from platen.artifacts.dataset import Drop
from platen.components.merge.examples import choose, shrink, write_examples
from tests.tiny_dataset import commit_raw, drawing, encoded, sample


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK"])
def test_any_picture_becomes_small(mode: str) -> None:
    large = drawing(1, (900, 600)).convert(mode)
    small = shrink(encoded(large, "TIFF" if mode == "CMYK" else "PNG"))
    assert small is not None
    with Image.open(io.BytesIO(small)) as shown:
        assert (shown.format, shown.size) == ("JPEG", (128, 85))


def test_what_cannot_be_shown() -> None:
    assert shrink(b"<!doctype html>") is None
    assert shrink(encoded(drawing(1), "JPEG")[:1000]) is None
    assert shrink(encoded(Image.new("1", (8000, 8000)))) is None
    assert shrink(encoded(Image.new("1", (20_000, 20_000)))) is None


@given(st.binary(max_size=200))
def test_hostile_bytes(data: bytes) -> None:
    assert shrink(b"\x89PNG\r\n\x1a\n" + data) is None


def test_six_of_each_reason_in_order(tmp_path: Path) -> None:
    samples = [sample(number) for number in range(9)]
    raw = commit_raw(str(tmp_path), [samples[:4], samples[4:]])
    drops = [("00000" if number < 4 else "00001", Drop(one.row.key, "too_dull")) for number, one in enumerate(samples)]
    chosen = choose([*drops, ("00001", Drop("0" * 16, "http_error"))])
    write_examples(raw.path, chosen, tmp_path / "examples")
    shown = {path.stem for path in (tmp_path / "examples" / "too_dull").iterdir()}
    assert shown == {one.row.key for one in samples[:6]}
    assert not (tmp_path / "examples" / "http_error").exists()
