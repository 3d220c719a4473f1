"""The local web server: it serves the pictures, and has the faults it should have."""

from __future__ import annotations

import http.client
import socket
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from platen.components.sample.web import LINK_LOCAL, serving
from platen.core.errors import InputError, UserError


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "web" / "pictures").mkdir(parents=True)
    (tmp_path / "web" / "pictures" / "a.png").write_bytes(b"picture")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    with serving(tmp_path / "web") as found:
        yield found


def get(address: str, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("GET", path)
    return connection.getresponse()


def test_a_picture_is_served_as_it_lies_there(address: str) -> None:
    answer = get(address, "/pictures/a.png?size=1")
    assert (answer.status, answer.read()) == (200, b"picture")
    assert answer.headers["Content-Type"] == "image/png"


@pytest.mark.parametrize(
    "path", ["/pictures/none.png", "/../secret.txt", "/%2e%2e/secret.txt", "/", "/faults/missing/1"]
)
def test_what_is_not_in_the_folder_is_not_found(address: str, path: str) -> None:
    answer = get(address, path)
    assert answer.status == 404
    assert b"secret" not in answer.read()


def test_broken_and_redirect_answer_with_their_status(address: str) -> None:
    assert get(address, "/faults/broken/1.png").status == 500
    answer = get(address, "/faults/redirect/1.png")
    assert (answer.status, answer.headers["Location"]) == (302, LINK_LOCAL)


def test_endless_goes_on_without_a_length_and_huge_claims_one(address: str) -> None:
    endless = get(address, "/faults/endless/1.png")
    assert endless.headers["Content-Length"] is None
    assert len(endless.read(5_000_000)) == 5_000_000
    assert int(get(address, "/faults/huge/1.png").headers["Content-Length"]) > 10**11


def test_bomb_is_small_until_it_is_unpacked(address: str) -> None:
    answer = get(address, "/faults/bomb/1.png")
    body = answer.read()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(body) < 100_000
    assert len(zlib.decompress(body, wbits=31)) > 50_000_000


@pytest.mark.parametrize("path", ["/faults/slow/1.png", "/faults/stalled/1.png"])
def test_slow_answers_do_not_end_but_do_not_hold_up_the_closing(tmp_path: Path, path: str) -> None:
    (tmp_path / "web").mkdir()
    with serving(tmp_path / "web") as address:
        host, port = address.split(":")
        client = socket.create_connection((host, int(port)), timeout=0.6)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        with pytest.raises(TimeoutError):
            client.settimeout(0.1)
            for _ in range(1000):  # it drips more slowly than this
                assert client.recv(100)
        answering = [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]
        assert answering
    for thread in answering:
        thread.join(timeout=60)  # the answer would go on for minutes
    assert not any(thread.is_alive() for thread in answering)
    client.close()


def test_a_taken_port_is_named_with_its_setting(address: str, tmp_path: Path) -> None:
    port = int(address.split(":")[1])
    with (
        pytest.raises(UserError, match=rf"localhost:{port}: cannot listen here .*sample\.port"),
        serving(tmp_path / "web", port=port),
    ):
        pass


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"), serving(tmp_path / "nowhere"):
        pass
