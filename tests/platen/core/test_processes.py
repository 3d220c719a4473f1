from __future__ import annotations

import os
import signal

import pytest

from platen.core.processes import ended_by_sigterm


def test_sigterm_is_an_exception_as_long_as_something_is_to_be_taken_back() -> None:
    with pytest.raises(SystemExit) as caught, ended_by_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert caught.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
