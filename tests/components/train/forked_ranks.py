"""Ranks that are forked from a process which has imported what they need: for tiny models that takes the most time."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from platen.components.train.job import read_job
from platen.components.train.node.worker import environment
from platen.components.train.rank.main import main
from platen.core.processes import die_with
from tests.components.train.nodes import free_port

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.components.train.imported_by_ranks"])
Ranks = Sequence[ForkServerProcess]


def start_ranks(uri: str) -> Ranks:
    """Start the ranks of a job as torchrun would; their log lies beside it."""
    settings = read_job(uri).settings
    told = {
        **environment(settings),
        "WORLD_SIZE": str(settings.ranks),
        "LOCAL_WORLD_SIZE": str(settings.ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    ranks = []
    for rank in range(settings.ranks):
        told = {**told, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        ranks.append(CONTEXT.Process(target=_run, args=(uri, told, os.getpid()), daemon=True))
        ranks[-1].start()
    return ranks


def wait_for_end(uri: str, ranks: Ranks) -> None:
    """Wait for all ranks. Raises AssertionError with their log where one failed."""
    for rank in ranks:
        rank.join()
    assert [rank.exitcode for rank in ranks] == [0] * len(ranks), log_of(uri).read_text()


def kill(ranks: Ranks) -> None:
    """Kill all with -9."""
    for rank in ranks:
        rank.kill()
    for rank in ranks:
        rank.join()


def log_of(uri: str) -> Path:
    """Where the ranks of a job write what they say."""
    return Path(uri).with_suffix(".log")


def _run(uri: str, env: dict[str, str], tests: int) -> None:
    die_with(tests)  # the rank's parent is the process that it was forked from
    os.environ.update(env)
    with log_of(uri).open("a") as log:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log.fileno(), stream.fileno())
    main(uri)
