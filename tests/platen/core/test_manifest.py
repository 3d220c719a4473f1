from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from platen.core.errors import CorruptError
from platen.core.manifest import (
    MANIFEST,
    RUN,
    File,
    Maker,
    Manifest,
    Source,
    canonical,
    check_files,
    decode,
    fingerprint,
    list_files,
    sha256,
    sha256_of,
)

names = st.text(string.ascii_lowercase + "é_", min_size=1, max_size=8)
digests = st.binary(max_size=4).map(sha256)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
counts = st.dictionaries(names, st.integers(0, 10**9), max_size=3)
manifests = st.builds(
    Manifest,
    kind=st.sampled_from(["dataset", "encoded", "model", "pictures", "report", "release"]),
    fingerprint=digests.map(lambda digest: digest[:20]),
    made_by=st.builds(Maker, stage=names, stage_version=st.integers(1, 9), package=names, image=st.none() | names),
    settings=st.dictionaries(names, values, max_size=3),
    inputs=st.dictionaries(names, st.builds(Source, uri=names, digest=digests), max_size=3),
    outside=st.dictionaries(names, values, max_size=2),
    counts=counts,
    dropped=counts,
    licences=counts,
    facts=st.dictionaries(names, values, max_size=3),
    files=st.lists(st.builds(File, path=names, size=st.integers(0, 2**50), sha256=digests), max_size=3),
)


@given(manifests)
def test_what_is_written_is_what_is_read(manifest: Manifest) -> None:
    again = decode(manifest.encode(), "here")
    assert again == manifest
    assert again.digest == manifest.digest == sha256(manifest.encode())


@given(manifests, st.data())
def test_any_changed_byte_is_noticed(manifest: Manifest, data: st.DataObject) -> None:
    whole = manifest.encode()
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    changed = whole[:at] + bytes([byte]) + whole[at + 1 :]
    try:
        assert decode(changed, "here").digest != manifest.digest
    except CorruptError as error:
        assert str(error).startswith("here: corrupt manifest")


@given(manifests, st.data())
def test_any_lost_byte_is_noticed(manifest: Manifest, data: st.DataObject) -> None:
    whole = manifest.encode()
    end = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(CorruptError):
        decode(whole[:end], "here")


@given(manifests)
def test_another_layout_of_the_same_values_is_refused(manifest: Manifest) -> None:
    compact = json.dumps(json.loads(manifest.encode())).encode()
    with pytest.raises(CorruptError, match="not in canonical form"):
        decode(compact, "here")


@given(st.dictionaries(names, values, max_size=6), st.randoms())
def test_canonical_form_does_not_depend_on_order(entries: dict[str, Any], chance: Any) -> None:
    shuffled = list(entries.items())
    chance.shuffle(shuffled)
    assert canonical(dict(shuffled)) == canonical(entries)
    assert canonical(json.loads(canonical(entries, indent=1)), indent=1) == canonical(entries, indent=1)


def test_canonical_form_is_fixed() -> None:
    assert canonical({"b": [1, 2.5], "a": "ü"}) == '{"a":"ü","b":[1,2.5]}'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": float("nan")})


BROKEN = {
    "empty": b"",
    "not_json": b"{",
    "not_an_object": b"[]",
    "another_schema": b'{"schema_version": 2}',
    "field_missing": b'{"schema_version": 1}',
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_broken_manifest_is_named_with_the_way_out(data: bytes) -> None:
    with pytest.raises(CorruptError, match=r"^ws/a/manifest.json: corrupt manifest: .*Delete the folder"):
        decode(data, "ws/a/manifest.json")


BASE: tuple[Any, ...] = ("word", 1, {"a": 1}, {"text": "d1"}, {"source": "s1"})


@pytest.mark.parametrize(
    "other",
    [
        ("words", *BASE[1:]),
        ("word", 2, *BASE[2:]),
        ("word", 1, {"a": 2}, *BASE[3:]),
        ("word", 1, {"a": 1}, {"text": "d2"}, BASE[4]),
        ("word", 1, {"a": 1}, {"other": "d1"}, BASE[4]),
        (*BASE[:4], {"source": "s2"}),
        ("word", 1, {"a": 1, "text": "d1"}, {}, BASE[4]),
    ],
)
def test_fingerprint_changes_with_each_thing_it_stands_for(other: tuple[Any, ...]) -> None:
    assert fingerprint(*other) != fingerprint(*BASE)
    assert len(fingerprint(*other)) == 20


@given(st.dictionaries(names, values, max_size=4), st.dictionaries(names, values, max_size=4))
def test_fingerprints_are_equal_only_for_equal_settings(one: dict[str, Any], other: dict[str, Any]) -> None:
    assume(canonical(one) != canonical(other))
    assert fingerprint("s", 1, one, {}, {}) != fingerprint("s", 1, other, {}, {})
    assert fingerprint("s", 1, one, {}, {}) == fingerprint("s", 1, dict(reversed(one.items())), {}, {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "a.bin").write_bytes(b"abc")
    (tmp_path / "b.txt").write_bytes(b"")
    (tmp_path / MANIFEST).write_bytes(b"{}")
    (tmp_path / RUN).write_bytes(b"{}")
    return tmp_path


def test_files_are_listed_by_path_without_manifest_and_run(folder: Path) -> None:
    files = list_files(folder)
    assert [(file.path, file.size) for file in files] == [("b.txt", 0), ("deep/er/a.bin", 3)]
    assert files[1].sha256 == sha256(b"abc") == sha256_of(folder / "deep/er/a.bin")
    (folder / RUN).write_bytes(b'{"seconds": 9}')
    assert list_files(folder) == files
    (folder / "deep" / MANIFEST).write_bytes(b"one that is not the folder's own")
    assert len(list_files(folder)) == 3


def test_whole_folder_passes(folder: Path) -> None:
    files = list_files(folder)
    check_files(folder, files, "here")
    (folder / "extra.txt").write_bytes(b"not listed, so not part of it")
    check_files(folder, files, "here")


@pytest.mark.parametrize(
    ("data", "told"),
    [(None, "missing; the manifest lists 3 bytes"), (b"ab", "2 bytes; the manifest says 3"), (b"abd", "SHA-256 a52d")],
)
def test_file_that_differs_is_named(folder: Path, data: bytes | None, told: str) -> None:
    files = list_files(folder)
    path = folder / "deep" / "er" / "a.bin"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(CorruptError, match=f"^here/deep/er/a.bin: {told}"):
        check_files(folder, files, "here")


@pytest.mark.parametrize("path", ["../secret", "a/../../b", "/etc/passwd", "a//b", "."])
def test_a_file_outside_of_its_folder_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is not below the folder"):
        File(path=path, size=0, sha256="0" * 64)
