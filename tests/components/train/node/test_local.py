"""How a training on this machine ends, by what its ranks ended with."""

from __future__ import annotations

from pathlib import Path

import pytest

from platen.components.train.job import leave_error
from platen.components.train.node import local
from platen.components.train.node.local import run_here
from platen.components.train.node.worker import NodeResult
from platen.core.errors import InputError, ProcessError, StorageError
from platen.core.stage import Folder, Place
from platen.jobs.exit_codes import STOPPED
from tests.components.train.small_run import job, settings

LINES = [f"line {number}" for number in range(40)]


def end(uri: str, shared: Path, code: int, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
    """Run a job whose ranks are none: they end at once."""

    def run_node(*_: object) -> NodeResult:
        if isinstance(error, StorageError | InputError):
            leave_error(str(shared), error, "0")
        return NodeResult(code, LINES)

    monkeypatch.setattr(local, "run_node", run_node)
    run_here(uri, settings(), Place(shared / "out", shared, str(shared), str(shared)))


@pytest.fixture
def uri(encoded: Folder, base: Folder, tmp_path: Path) -> str:
    return job(tmp_path, encoded, base, settings())


def test_what_a_rank_raised_is_raised_here(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError, match="no space left"):
        end(uri, tmp_path, 1, monkeypatch, StorageError("no space left"))


def test_one_that_died_without_a_word_is_told_by_its_last_lines(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ProcessError, match="exit code 137") as caught:
        end(uri, tmp_path, 137, monkeypatch)
    assert str(caught.value).splitlines()[1:] == LINES[-15:]


def test_the_error_of_an_earlier_attempt_is_not_told_again(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_error(str(tmp_path), InputError("long ago"), "0")
    with pytest.raises(ProcessError):
        end(uri, tmp_path, 137, monkeypatch)


@pytest.mark.parametrize("code", [STOPPED, 152])
def test_one_that_was_stopped_and_saved_ends_with_its_code(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    with pytest.raises(SystemExit) as caught:
        end(uri, tmp_path, code, monkeypatch)
    assert caught.value.code == code
    end(uri, tmp_path, 0, monkeypatch)
