"""torchrun tells neither which rank failed nor how; the agent does."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from platen.components.train.node.agent import main

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Torchrun sets handlers of this process."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ranks(script: str) -> list[str]:
    """Two ranks, each a shell."""
    run = ["--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2", "--monitor-interval=0.05"]
    return [*run, "--no-python", "sh", "-c", script]


def test_a_failed_rank_is_reported_with_its_own_exit_code(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with pytest.raises(SystemExit) as ended:
        main(str(report), ranks('[ "$RANK" = 0 ] || exit 75; sleep 60'))
    assert ended.value.code == 1
    assert json.loads(report.read_text())["1"] == 75


def test_ranks_that_end_well_leave_no_report(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    main(str(report), ranks("true"))
    assert not report.exists()
