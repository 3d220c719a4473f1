"""A server as a child process: its readiness, its last words, and that it is gone afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from platen.components.deploy import local_server
from platen.components.deploy.local_server import LocalServer
from platen.core import processes
from platen.core.errors import ProcessError

READY = """
import http.server, json, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(CODE))
print(json.dumps({"message": "listening", "url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
server.serve_forever()
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


def start(code: str) -> LocalServer:
    return LocalServer(processes.start([sys.executable, "-c", code]))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(local_server, "POLL_SECONDS", 0.01)
    return


@pytest.mark.usefixtures("quick")
def test_its_address_is_known_once_it_takes_requests_and_it_ends_well() -> None:
    server = start(READY.replace("CODE", "0"))
    assert server.wait_until_ready(60).startswith("http://127.0.0.1:")
    server.stop(60)
    assert server.ending() == "exit code 0"


@pytest.mark.usefixtures("quick")
def test_one_that_ends_badly_after_sigterm_is_told() -> None:
    server = start(READY.replace("CODE", "3"))
    server.wait_until_ready(60)
    with pytest.raises(ProcessError, match=r"ended with exit code 3 after SIGTERM: listening$"):
        server.stop(60)


@pytest.mark.usefixtures("quick")
def test_one_that_ends_before_it_is_ready_is_told_in_its_last_words() -> None:
    server = start("import sys; print('{\"message\": \"no model\"}'); print('plain'); sys.exit(2)")
    with pytest.raises(ProcessError, match=r"ended with exit code 2: no model \| plain$"):
        server.wait_until_ready(60)


@pytest.mark.usefixtures("quick")
def test_one_that_is_too_slow_is_told_and_one_that_does_not_end_is_killed() -> None:
    server = start(STUBBORN)
    while server.last_words() != "up":  # it ignores SIGTERM from then on
        pass
    with pytest.raises(ProcessError, match=r"was not ready after 0\.05 s: up"):
        server.wait_until_ready(0.05)
    with pytest.raises(ProcessError, match=r"did not exit within 0\.05 s of SIGTERM: up"):
        server.stop(0.05)
    assert server.ending() == "signal SIGKILL"


def test_it_is_gone_whatever_happens_while_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "MODULE", "http.server")  # it knows none of the options, and ends
    with pytest.raises(KeyError), local_server.serving("m", "w", "cpu", 60) as server:
        raise KeyError
    assert server.ending() != "exit code None"
