"""Files that one stage writes and others read: every fault names the file and the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.artifacts.json_file import JsonFile, Part
from platen.core.errors import CorruptError
from tests.committed import commit


class Row(Part):
    name: str
    share: float


class Table(JsonFile):
    FILE: ClassVar[str] = "table.json"

    rows: list[Row]


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.builds(Row, name=st.text(st.characters(exclude_categories=["Cs"])), share=FINITE)))
def test_what_is_encoded_is_read_back_and_encoded_alike(rows: list[Row]) -> None:
    table = Table(rows=rows)
    assert Table.parse(table.encode(), "there") == table
    assert Table.parse(table.encode(), "there").encode() == table.encode()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"rows": [{"name": "a"}]}', r"rows\.0\.share: Field required"),
        ('{"rows": [{"name": "a", "share": "0.5"}]}', r"rows\.0\.share: .*valid number"),
        ('{"rows": [{"name": "a", "share": NaN}]}', r"rows\.0\.share: .*finite"),
        ("[]", r"there/table\.json: .*(object|Table)"),
        ('{"rows": ', r"there/table\.json: Invalid JSON"),
        ("", r"there/table\.json: Invalid JSON"),
        ("\xff", r"there/table\.json: Invalid JSON"),
    ],
    ids=["missing", "text_for_number", "not_finite", "a_list", "cut", "empty", "no_utf8"],
)
def test_what_is_no_such_file_names_the_field(text: str, fault: str) -> None:
    with pytest.raises(CorruptError, match=fault):
        Table.parse(text.encode("latin-1"), "there/table.json")


def test_fields_of_a_newer_version_are_passed_over() -> None:
    data = json.dumps({"rows": [{"name": "a", "share": 1.0, "later": 1}], "more": {}}).encode()
    assert Table.parse(data, "there").rows == [Row(name="a", share=1.0)]


def test_a_committed_file_is_read_and_a_missing_one_named(tmp_path: Path) -> None:
    table = Table(rows=[Row(name="a", share=0.5)])
    table.write(tmp_path / "made")
    text = (tmp_path / "made" / "table.json").read_text()
    assert Table.read(commit(tmp_path, {"table.json": text})) == table
    other = commit(tmp_path, {"other.json": text})
    with pytest.raises(CorruptError, match=rf"{other.uri}/table\.json: no such file"):
        Table.read(other)
