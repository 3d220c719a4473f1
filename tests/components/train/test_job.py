"""The job that all processes of a training read, and the error that its ranks leave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platen.components.train.checkpoints.settings import CheckpointSettings
from platen.components.train.job import read_error, read_job
from platen.components.train.settings import TrainSettings
from platen.core.errors import InputError, StorageError
from platen.core.stage import Folder
from tests.components.train.small_run import job


def test_a_job_keeps_what_is_no_part_of_the_models_identity(encoded: Folder, base: Folder, tmp_path: Path) -> None:
    chosen = TrainSettings(checkpoints=CheckpointSettings(every=7), log_every=3)
    written = read_job(job(tmp_path, encoded, base, chosen))
    assert written.settings == chosen
    assert written.encoded == encoded.uri


def test_the_first_error_of_an_attempt_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from platen.components.train.job import clear_error, leave_error

    shared = str(tmp_path)
    leave_error(shared, StorageError("no space left"), "1")
    leave_error(shared, InputError("later"), "0")
    assert str(read_error(shared)) == "no space left"
    monkeypatch.setenv("PLATEN_ATTEMPT", "2")
    leave_error(shared, InputError("of the second attempt"), "0")
    said = json.loads((tmp_path / "error.json").read_bytes())
    assert said == {"type": "InputError", "message": "of the second attempt", "rank": "0", "attempt": "2"}
    clear_error(shared)
    assert read_error(shared) is None
