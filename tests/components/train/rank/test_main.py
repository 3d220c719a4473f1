"""What a rank ends with, and what it leaves for the step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from platen.components.train.job import Stopped, read_error, read_job
from platen.components.train.rank.main import work
from platen.core.errors import InputError, ProcessError
from platen.core.stage import Folder
from platen.jobs.exit_codes import DONE, LOST_PEER, STOPPED
from tests.components.train.small_run import job, settings


@pytest.mark.parametrize(
    ("raised", "code", "left"),
    [
        (None, DONE, None),
        (Stopped("saved after step 8", STOPPED), STOPPED, None),
        (InputError("a.npy: cut"), 2, InputError),
        (RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer"), LOST_PEER, None),
        (ValueError("ours"), 1, ProcessError),
    ],
    ids=["well", "stopped", "user", "lost_peer", "ours"],
)
def test_its_exit_code_and_the_error_that_it_leaves(
    raised: Exception | None, code: int, left: type[Exception] | None,
    encoded: Folder, base: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def run(*_: object) -> None:
        if raised is not None:
            raise raised

    monkeypatch.setitem(sys.modules, "platen.components.train.rank.run", SimpleNamespace(run=run))
    assert work(read_job(job(tmp_path, encoded, base, settings())), tmp_path) == code
    assert type(read_error(str(tmp_path))) is (left or type(None))


def test_it_ends_without_the_libraries_teardown_but_with_all_its_words() -> None:
    code = """
import atexit
from platen.components.train.rank.main import leave
atexit.register(print, "torn down")
print("last words", end="")
leave(75)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (75, "last words")
