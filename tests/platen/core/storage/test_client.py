"""How refusals of the service are told: a real HTTP server gives the answers that Google's documents show."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from google.api_core.exceptions import Unauthorized

from platen.core.errors import InputError, PlatenError, StorageError
from platen.core.storage import client
from platen.core.storage.gcs import GcsStore

SECRET = "ya29.a-token-that-nobody-may-see"
Answer = tuple[int, dict[str, str], bytes]


def refusal(status: int, message: str) -> Answer:
    body = {"error": {"code": status, "message": message, "errors": [{"message": message}]}}
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[str]]]:
    """Starts a service that gives these answers in turn, the last one for ever; returns what it is asked."""
    servers = []

    def start(*answers: Answer) -> list[str]:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = answers[min(len(asked), len(answers) - 1)]
                asked.append(self.path)
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_DELETE = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        monkeypatch.setenv(client.EMULATOR, f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(client, "PATIENCE", 3.0)
        return asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def told(kind: type[PlatenError]) -> str:
    with pytest.raises(kind) as caught:
        GcsStore().read("gs://bucket/a")
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__, "the library's error may hold what must not be logged"
    return str(caught.value)


def test_an_object_is_found_without_the_right_to_list(service: Callable[..., list[str]]) -> None:
    asked = service((200, {"Content-Type": "application/json"}, b'{"name": "prompts.txt"}'), refusal(403, "no list"))
    assert GcsStore().exists("gs://bucket/prompts.txt")
    assert [path.partition("?")[0] for path in asked] == ["/storage/v1/b/bucket/o/prompts.txt"]


def test_permission_that_is_lacking_is_named(service: Callable[..., list[str]]) -> None:
    service(refusal(403, f"me@x.iam does not have storage.objects.get access. {SECRET}"))
    assert told(StorageError) == (
        "gs://bucket/a: no permission (storage.objects.get); "
        "grant roles/storage.objectUser on the bucket to the account that this process runs as"
    )


def test_credentials_that_are_refused(service: Callable[..., list[str]]) -> None:
    service(refusal(401, f"Invalid Credentials {SECRET}"))
    assert "use workload identity on a cluster" in told(StorageError)
    with (
        pytest.raises(StorageError, match=r"gs://bucket/a: the credentials were refused \(Unauthorized\)"),
        client.worded("gs://bucket/a"),
    ):
        raise Unauthorized(SECRET)


def test_credentials_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(client.EMULATOR, raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    client.client.__globals__["_client_of"].cache_clear()
    assert "no Google Cloud credentials were found; use workload identity" in told(StorageError)


def test_bucket_that_is_not_there(service: Callable[..., list[str]]) -> None:
    service(refusal(404, "The specified bucket does not exist."))
    with pytest.raises(InputError, match=r"^gs://none: no such bucket; create it, or correct the name$"):
        GcsStore().read("gs://none/a")


def test_answer_that_fails_in_passing_is_asked_for_again(service: Callable[..., list[str]]) -> None:
    asked = service(refusal(503, "later"), (200, {"x-goog-hash": "crc32c=mnG7TA=="}, b"hello"))
    assert GcsStore().read("gs://bucket/a") == b"hello"
    assert len(asked) == 2


def test_service_that_stays_away(service: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    service(refusal(503, SECRET))
    monkeypatch.setattr(client, "PATIENCE", 0.2)
    assert "cannot be reached (HTTP status 503); run the stage again once it can" in told(StorageError)


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv(client.EMULATOR, f"127.0.0.1:{port}")
    monkeypatch.setattr(client, "PATIENCE", 0.2)
    assert f"the emulator at 127.0.0.1:{port} cannot be reached (ConnectionError)" in told(StorageError)


def test_bytes_that_were_damaged_on_the_way(service: Callable[..., list[str]], tmp_path: Path) -> None:
    service((200, {"x-goog-hash": "crc32c=AAAAAA=="}, b"hello"))
    with pytest.raises(StorageError, match=r"its checksum changed in transfer"):
        GcsStore().get("gs://bucket/a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_any_other_refusal_has_its_status(service: Callable[..., list[str]]) -> None:
    service(refusal(412, SECRET))
    assert told(StorageError) == "gs://bucket/a: refused with HTTP status 412 (PreconditionFailed)"


@pytest.mark.parametrize("uri", ["gs://", "gs:///a", "gs://bucket", "gs://bucket/"])
def test_address_without_bucket_or_object(uri: str) -> None:
    for act in (GcsStore().read, GcsStore().remove):
        with pytest.raises(InputError, match=r"Accepted: gs://bucket/path"):
            act(uri)
