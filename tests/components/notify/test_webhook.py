from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from platen.components.notify.settings import NotifySettings
from platen.components.notify.summary import FailureSummary, Summary
from platen.components.notify.webhook import LARGEST, body_of, check_address, find_address, tell
from platen.core.errors import InputError

SECRET = "/services/T0SECRET/hook?token=hunter2"
QUICK = (0.01, 0.01)


class Hook:
    """A real server on this machine that keeps what it was sent and answers with the codes it was given."""

    def __init__(self, codes: list[int], wait: float = 0.0) -> None:
        self.codes, self.wait = codes, wait
        self.bodies: list[bytes] = []
        self.paths: list[str] = []

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.paths.append(request.path)
        self.bodies.append(request.rfile.read(int(request.headers["content-length"])))
        time.sleep(self.wait)
        code = self.codes[min(len(self.bodies), len(self.codes)) - 1]
        request.send_response(code)
        if code == 302:
            request.send_header("location", "/elsewhere")
        request.send_header("content-length", "0")
        request.end_headers()


@contextmanager
def listening(hook: Hook) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{SECRET}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def give_address(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda address: monkeypatch.setenv("PLATEN_WEBHOOK_URL", address)


LOCAL = NotifySettings(webhook_http_hosts=("127.0.0.1",), webhook_seconds=5)


def test_summary_is_posted(summary: Summary, give_address: Callable[[str], None]) -> None:
    hook = Hook([204])
    with listening(hook) as address:
        give_address(address)
        assert tell(summary, LOCAL, QUICK)
    assert hook.paths == [SECRET]
    assert json.loads(hook.bodies[0]) == summary.model_dump(mode="json")


def test_busy_server_is_tried_again(summary: Summary, give_address: Callable[[str], None]) -> None:
    hook = Hook([503, 429, 200])
    with listening(hook) as address:
        give_address(address)
        assert tell(summary, LOCAL, QUICK)
    assert len(hook.bodies) == 3


@pytest.mark.parametrize(("codes", "tries"), [([500], 3), ([404], 1), ([302], 1)])
def test_refusal_is_a_warning(
    summary: Summary,
    give_address: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
    codes: list[int],
    tries: int,
) -> None:
    hook = Hook(codes)
    with listening(hook) as address:
        give_address(address)
        assert not tell(summary, LOCAL, QUICK)
    assert hook.paths == [SECRET] * tries
    assert f"webhook: not delivered: status {codes[0]}" in caplog.text


def test_silent_server_is_given_up_at_the_deadline(
    summary: Summary, give_address: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    hook = Hook([200], wait=30)
    with listening(hook) as address:
        give_address(address)
        assert not tell(summary, LOCAL.model_copy(update={"webhook_seconds": 1.0}), QUICK)
    assert len(hook.bodies) == 3
    assert "not delivered" in caplog.text


@pytest.mark.parametrize("code", [200, 404])
def test_address_is_in_no_log_line(
    summary: Summary, give_address: Callable[[str], None], caplog: pytest.LogCaptureFixture, code: int
) -> None:
    caplog.set_level(logging.DEBUG)
    with listening(Hook([code])) as address:
        give_address(address)
        tell(summary, LOCAL, QUICK)
        logging.getLogger("test").info("the log is heard")
    assert "the log is heard" in caplog.text
    assert "hunter2" not in caplog.text and "T0SECRET" not in caplog.text


@pytest.mark.parametrize(
    "address", ["http://hooks.example/x?hunter2", "ftp://h/hunter2", "hunter2", "https://", "https://h:hunter2"]
)
def test_address_that_must_not_be_posted_to(
    summary: Summary, give_address: Callable[[str], None], caplog: pytest.LogCaptureFixture, address: str
) -> None:
    give_address(address)
    assert not tell(summary, LOCAL, QUICK)
    assert "webhook: the address" in caplog.text
    assert "hunter2" not in caplog.text


def test_https_needs_no_permission() -> None:
    assert check_address("https://hooks.example/x", ()).host == "hooks.example"
    assert check_address("http://127.0.0.1:8/x", ("127.0.0.1",)).scheme == "http"


def test_nothing_is_posted_where_no_address_is_set(
    summary: Summary, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("PLATEN_WEBHOOK_URL", raising=False)
    assert not tell(summary, LOCAL, QUICK)
    assert caplog.text == ""


def test_address_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATEN_WEBHOOK_URL", raising=False)
    (tmp_path / "url").write_text("https://hooks.example/from-file\n")
    settings = NotifySettings(webhook_file=str(tmp_path / "url"))
    assert find_address(settings) == "https://hooks.example/from-file"
    monkeypatch.setenv("PLATEN_WEBHOOK_URL", "https://hooks.example/from-environment")
    assert find_address(settings) == "https://hooks.example/from-environment"


def test_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATEN_WEBHOOK_URL", raising=False)
    with pytest.raises(InputError, match=r"notify.webhook_file: .*none cannot be read \(FileNotFoundError\)"):
        find_address(NotifySettings(webhook_file=str(tmp_path / "none")))


def test_body_is_cut_to_what_is_taken(summary: Summary) -> None:
    failure = FailureSummary(stage="train", type="ProcessError", reason="ü" * LARGEST, exit_code=1)
    body = body_of(summary.model_copy(update={"failure": failure, "outcome": "failed"}))
    assert len(body) <= LARGEST
    told = json.loads(body)
    assert told["cut"] is True and told["outcome"] == "failed"
    assert told["failure"]["stage"] == "train"
