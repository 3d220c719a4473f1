"""Child processes that never outlive who started them."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when its parent ends, however it ends (Linux; elsewhere a no-op).

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    parent = os.getppid()
    try:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:  # it ended before the kernel was told
        os.kill(os.getpid(), number)


def die_with(pid: int) -> None:
    """Kill this process as soon as another one has ended, however it ended: for a runner that is no direct parent.

    Source: pidfd_open(2); Linux, elsewhere a no-op.
    """
    if not hasattr(os, "pidfd_open"):
        return
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        os.kill(os.getpid(), signal.SIGKILL)
        return

    def wait() -> None:
        select.select([watched], [], [])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, name="die-with", daemon=True).start()


def start(argv: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a child that is killed when this process ends; standard output and error come as one stream of text."""
    return subprocess.Popen(
        argv,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, no lock is taken
    )


def follow(stream: IO[str], say: Callable[[str], None], keep: int = 40) -> list[str]:
    """Pass on every line of a child's output until it ends; the last `keep` lines."""
    last: deque[str] = deque(maxlen=keep)
    for line in stream:
        last.append(line.rstrip("\n"))
        say(last[-1])
    return list(last)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM (a run that is cancelled) raises SystemExit here, so that what was begun is taken back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
