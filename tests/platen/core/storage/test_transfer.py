from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.core.storage.transfer import checksum, usable_names

PARTS = st.sampled_from(["a", "b", "..", ".", "", "ü", " ", "nul\0", "n" * 255, "n" * 256, "ü" * 128, "a.png"])
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@given(st.sets(NAMES, max_size=12))
def test_usable_names_can_all_be_files_below_one_folder(
    tmp_path_factory: pytest.TempPathFactory, names: set[str]
) -> None:
    folder = tmp_path_factory.mktemp("names")
    usable = usable_names(names)
    for name in usable:
        path = folder / name
        assert path.resolve().is_relative_to(folder.resolve()) and path != folder
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == usable


def test_names_of_ordinary_objects_are_usable() -> None:
    names = {"a.png", "deep/er/b.txt", "..hidden", ".git/config", "a b", "ü/ß"}
    assert usable_names(names) == names
    assert usable_names({"a", "a/b", "a/b/c"}) == {"a/b/c"}


def test_checksum_is_the_one_that_the_service_tells(tmp_path: Path) -> None:
    """The check value of CRC-32C, for the digits 1 to 9, is E3069283 (RFC 3720, B.4, and the catalogue of CRCs)."""
    (tmp_path / "a").write_bytes(b"123456789")
    assert checksum(tmp_path / "a") == "4waSgw=="
