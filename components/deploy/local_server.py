"""A server of a model as a child process: start it, wait until it is ready, and leave nothing behind.

The child is killed by the kernel when this process ends, however it ends (platen/core/processes.py).
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from platen.core import processes
from platen.core.errors import ProcessError
from platen.core.log_lines import parse_line
from platen.core.telemetry import log

if TYPE_CHECKING:
    import httpx

POLL_SECONDS = 0.2
MODULE = "platen.components.serve.main"  # another stage is never imported; its command is its interface


class LocalServer:
    """A running child."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._last: deque[str] = deque(maxlen=12)
        self._url: str | None = None
        self._reader = threading.Thread(target=self._read, name="server-log", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_until_ready(self, seconds: float) -> str:
        """Its URL, once it takes requests. Raises ProcessError, with its last words, where it ends or is too slow."""
        import httpx

        until = time.monotonic() + seconds
        with httpx.Client() as client:
            while time.monotonic() < until:
                if self._process.poll() is not None:
                    self._reader.join(timeout=5)
                    raise ProcessError(f"the server of the new model ended with {self.ending()}: {self.last_words()}")
                if self._url is not None and _is_ready(client, self._url):
                    return self._url
                time.sleep(POLL_SECONDS)
        raise ProcessError(f"the server of the new model was not ready after {seconds:g} s: {self.last_words()}")

    def stop(self, seconds: float) -> None:
        """SIGTERM, then SIGKILL. Raises ProcessError where it did not end by itself and well."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ProcessError(f"the server did not end within {seconds:g} s of SIGTERM: {self.last_words()}") from None
        if self._process.returncode != 0:
            self._reader.join(timeout=5)
            raise ProcessError(f"the server ended with {self.ending()} after SIGTERM: {self.last_words()}")

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def ending(self) -> str:
        """How it ended, in words."""
        code = self._process.returncode
        return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"

    def last_words(self) -> str:
        """The last lines of its log."""
        return " | ".join(self._last) or "it said nothing"

    def _read(self) -> None:
        if self._process.stdout is None:
            return
        for line in self._process.stdout:
            said = parse_line(line.strip())
            self._url = said.data.get("url") or self._url
            self._last.append(said.message)
            log.info("server: %s", said.message)


@contextmanager
def serving(model: str, workspace: str, device: str, stop_seconds: float) -> Iterator[LocalServer]:
    """A server on a committed model and a free port of this machine; it is gone when the context ends.

    Args:
        model: URI of the model.
        workspace: Where the server logs its requests, so that monitor finds them.
        device: auto, cuda or cpu.
        stop_seconds: How long it may take to end by itself.
    """
    command = [sys.executable, "-m", MODULE, "--model", model, "--host", "127.0.0.1", "--port", "0", "--device", device]
    server = LocalServer(processes.start(command, {"PLATEN_LOG": "json", "PLATEN_WORKSPACE": workspace}))
    try:
        yield server
        server.stop(stop_seconds)
    finally:
        server.kill()


def _is_ready(client: httpx.Client, url: str) -> bool:
    import httpx

    try:
        return client.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
