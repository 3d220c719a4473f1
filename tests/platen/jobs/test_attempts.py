from __future__ import annotations

from pathlib import Path

import pytest

from platen.jobs.attempts import Attempts, Restart, load


def test_attempts_are_kept_beside_the_checkpoints(tmp_path: Path) -> None:
    assert load(str(tmp_path)) == Attempts()
    told = Attempts(attempt=2, restarts=(Restart(attempt=1, reason="pod a ended", pod="a", exit_code=137, step=8),))
    told.save(str(tmp_path))
    assert load(str(tmp_path)) == told
    assert (tmp_path / "attempts.json").is_file()


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"attempt": "many"}'])
def test_a_broken_file_counts_as_none(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "attempts.json").write_bytes(broken)
    assert load(str(tmp_path)) == Attempts()


STOPPED_AT_8 = Restart(attempt=1, reason="a notice", exit_code=143, step=8, free=True)


@pytest.mark.parametrize(
    ("code", "step", "free"),
    [(143, 16, True), (143, 8, False), (137, 16, False), (141, 16, False), (None, 16, False)],
    ids=["stopped, and got on", "stopped at once", "killed", "lost its peers", "gone"],
)
def test_to_be_taken_away_costs_no_restart_where_training_got_on(code: int | None, step: int, free: bool) -> None:
    assert Attempts(attempt=2, restarts=(STOPPED_AT_8,)).is_free(code, step) is free


def test_only_restarts_that_were_not_free_are_used() -> None:
    crashed = Restart(attempt=2, reason="pod a ended", exit_code=137, step=16)
    assert Attempts(attempt=3, restarts=(STOPPED_AT_8, crashed)).used == 1
