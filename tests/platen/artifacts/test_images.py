from __future__ import annotations

import json
from pathlib import Path

import pytest

from platen.artifacts.images import INDEX, GeneratedImage, image_file, read_index, write_index
from platen.core.errors import CorruptError, InputError

ROWS = [
    GeneratedImage(file=image_file(0), prompt="ein Kreis, \u2028蓝", seed=2**32 - 1, group=""),
    GeneratedImage(file=image_file(123456), prompt='"quoted"', seed=0, group="grid"),
]


def test_an_index_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_index(tmp_path, ROWS)
    assert read_index(tmp_path) == ROWS


def test_the_index_is_json_lines_that_others_read(tmp_path: Path) -> None:
    write_index(tmp_path, ROWS)
    first, second, end = (tmp_path / INDEX).read_text(encoding="utf-8").split("\n")
    assert json.loads(first) == {
        "file": "pictures/00000.png", "prompt": "ein Kreis, \u2028蓝", "seed": 2**32 - 1, "group": ""
    }  # fmt: skip
    assert second == '{"file":"pictures/123456.png","group":"grid","prompt":"\\"quoted\\"","seed":0}'
    assert end == ""


def test_fields_of_a_newer_version_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text('{"file": "a.png", "prompt": "x", "seed": 1, "group": "", "width": 64}\n')
    assert read_index(tmp_path) == [GeneratedImage(file="a.png", prompt="x", seed=1, group="")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("{", "line 1: Invalid JSON"),
        ("[1]\n", "line 1: Input should be an object"),
        ('{"file": "a", "prompt": "x", "seed": 1, "group": ""}\n{"file": "x"}\n', "line 2.prompt: Field required"),
        ('{"file": "a", "prompt": "x", "seed": "1", "group": ""}', "line 1.seed: Input should be a valid integer"),
    ],
)
def test_what_is_no_index_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(CorruptError, match=f"index.jsonl: not an index of generated images: {says}"):
        read_index(tmp_path)


def test_a_folder_without_an_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"index\.jsonl: cannot be read"):
        read_index(tmp_path)
