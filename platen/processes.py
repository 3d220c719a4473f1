"""Child processes that never outlive who started them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO

PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when its parent ends, however it ends (Linux; elsewhere a no-op).

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, number)
    except (OSError, AttributeError):
        return


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
