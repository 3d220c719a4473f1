from __future__ import annotations

from pathlib import Path

import pytest

from platen.artifacts.model import RECORD, ModelRecord
from platen.core.errors import CorruptError


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = ModelRecord(family="stable-diffusion", resolution=(768, 512))
    record.write(tmp_path)
    assert ModelRecord.read(tmp_path) == record


def test_a_base_model_has_none(tmp_path: Path) -> None:
    assert ModelRecord.read(tmp_path) is None


def test_fields_of_a_newer_version_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text('{"family": "flux", "resolution": [64, 64], "later": 1}')
    assert ModelRecord.read(tmp_path) == ModelRecord(family="flux", resolution=(64, 64))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Invalid JSON"),
        ('{"family": "flux"}', "resolution: Field required"),
        ('{"family": "flux", "resolution": [0, 64]}', "resolution.0: Input should be greater than 0"),
    ],
)
def test_what_is_no_record_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(CorruptError, match=says) as raised:
        ModelRecord.read(tmp_path)
    assert str(tmp_path / RECORD) in str(raised.value)
