"""The words that a failing container leaves to Kubernetes."""

from __future__ import annotations

from pathlib import Path

import pytest

from platen.core.component import exit_on_error
from platen.core.errors import GateRefused
from platen.core.termination_log import LIMIT, VARIABLE, cut, write_termination_log


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file as the kubelet puts it there: empty."""
    path = tmp_path / "termination-log"
    path.touch()
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def test_the_words_of_an_error_are_left_there(path: Path) -> None:
    with pytest.raises(SystemExit) as caught, exit_on_error("gate"):
        raise GateRefused("the model is not promoted: fid 9 is above 6")
    assert caught.value.code == 2
    assert path.read_text() == "gate: the model is not promoted: fid 9 is above 6"


def test_an_unexpected_error_leaves_its_class_and_words_and_is_raised_on(path: Path) -> None:
    with pytest.raises(ModuleNotFoundError), exit_on_error("monitor"):
        import there_is_no_such_module  # type: ignore[import-not-found]  # noqa: F401
    assert path.read_text() == "monitor: ModuleNotFoundError: No module named 'there_is_no_such_module'"


def test_a_second_error_replaces_the_first(path: Path) -> None:
    write_termination_log("a long first word")
    write_termination_log("second")
    assert path.read_text() == "second"


@pytest.mark.parametrize(
    "text", ["x" * 5000, "é" * 5000, "x" + "é" * 5000, "語" * 2000, "😀" * 2000, "x" + "😀" * 2000]
)
def test_a_long_text_is_cut_on_a_character(text: str) -> None:
    data = cut(text)
    assert LIMIT - 8 < len(data) <= LIMIT
    assert text.startswith(data.decode().removesuffix("…"))


@pytest.mark.parametrize("text", ["", "x" * LIMIT, "語" * (LIMIT // 3)])
def test_what_fits_is_left_whole(text: str) -> None:
    assert cut(text).decode() == text


def test_half_a_character_is_no_error(path: Path) -> None:
    write_termination_log("caption \ud800")
    assert path.read_text() == "caption ?"


def test_it_is_not_made_where_kubernetes_has_not(path: Path) -> None:
    path.unlink()
    write_termination_log("nobody reads this")
    assert not path.exists()


def test_one_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    write_termination_log("a folder is no file")


@pytest.mark.parametrize("in_cluster", [False, True])
def test_outside_of_kubernetes_or_with_an_empty_name_nothing_is_written(
    path: Path, in_cluster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_cluster:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
        monkeypatch.setenv(VARIABLE, "")
    else:
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr("platen.core.termination_log.DEFAULT", str(path))
    write_termination_log("nobody reads this")
    assert path.read_text() == ""


def test_in_a_pod_it_is_where_kubernetes_puts_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr("platen.core.termination_log.DEFAULT", str(path))
    write_termination_log("ingest: /data: no such folder")
    assert path.read_text() == "ingest: /data: no such folder"
