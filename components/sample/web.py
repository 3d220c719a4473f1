"""A small web server over the sample's `web/` folder, with the faults that a server can have."""

from __future__ import annotations

import gzip
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from platen.core.errors import InputError, UserError

# The faulty paths by the reason that fetching them must fail for; {n} is a number.
FAULTS = {
    "http_error": ("/faults/missing/{n}.png", "/faults/broken/{n}.png"),
    "body_too_large": ("/faults/endless/{n}.png", "/faults/huge/{n}.png", "/faults/bomb/{n}.png"),
    "timed_out": ("/faults/slow/{n}.png", "/faults/stalled/{n}.png"),
    "address_refused": ("/faults/redirect/{n}.png",),
}
LINK_LOCAL = "http://169.254.169.254/latest/meta-data/"  # where clouds keep a machine's credentials
LONGEST = 300.0  # seconds that a faulty answer goes on
DRIP = 0.2  # seconds between two bytes of a slow answer
BLOCK = 64 * 1024  # bytes
TERABYTE = 10**12
BOMB = 64 * 1024 * 1024  # bytes after decompression
NO_HEADERS: Mapping[str, str] = {}
TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".txt": "text/plain"}


class Server(ThreadingHTTPServer):
    """Serves until it is closed; answers that drip end then too."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self.folder = folder.resolve()
        self.closing = threading.Event()
        super().__init__((host, port), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Report faults that are not meant; a client that leaves is what most of the others are for."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def serving(folder: Path, host: str = "localhost", port: int = 0) -> Iterator[str]:
    """Serve a folder in a thread.

    Args:
        folder: What to serve: the sample's `web/`.
        host: Name or address to listen on.
        port: To listen on; 0 takes a free one.

    Yields:
        "host:port" as it listens, which is what `ingest.allow_hosts` has to name.

    Raises:
        UserError: The port is taken, or the host is not of this machine.
        InputError: No such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; `platen sample` draws one with a web/ folder in it")
    try:
        server = Server(folder, host, port)
    except OSError as error:
        raise UserError(
            f"{host}:{port}: cannot listen here ({error.strerror}); set sample.port to a port that is free"
        ) from None
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.05), name="sample-web", daemon=True)
    thread.start()
    try:
        yield f"{host}:{server.server_port}"
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """Files of the folder below /, faults below /faults/."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds that an idle connection is kept
    wbufsize = BLOCK
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer with a file or a fault."""
        path = unquote(urlsplit(self.path).path)
        _, first, fault, *_ = [*path.split("/"), "", ""]
        if first == "faults":
            self._faults().get(fault, self._missing)()
        else:
            self._file(path)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the faults are meant."""

    def _faults(self) -> dict[str, Callable[[], None]]:
        return {
            "broken": partial(self._answer, HTTPStatus.INTERNAL_SERVER_ERROR, b"broken"),
            "redirect": partial(self._answer, HTTPStatus.FOUND, b"", {"Location": LINK_LOCAL}),
            "endless": self._endless,
            "huge": partial(self._endless, TERABYTE),
            "bomb": self._bomb,
            "slow": self._slow,
            "stalled": self._stalled,
        }

    def _file(self, path: str) -> None:
        file = (self.server.folder / path.lstrip("/")).resolve()
        if not file.is_relative_to(self.server.folder) or not file.is_file():
            self._missing()
            return
        kind = TYPES.get(file.suffix, "application/octet-stream")
        self._answer(HTTPStatus.OK, file.read_bytes(), {"Content-Type": kind})

    def _missing(self) -> None:
        self._answer(HTTPStatus.NOT_FOUND, b"no such picture")

    def _answer(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> None:
        self._head({**headers, "Content-Length": str(len(body))}, status)
        self.wfile.write(body)

    def _head(self, headers: Mapping[str, str], status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _endless(self, length: int | None = None) -> None:
        self._head({"Connection": "close", **({"Content-Length": str(length)} if length else {})})
        while not self.server.closing.is_set():
            self.wfile.write(bytes(BLOCK))

    def _bomb(self) -> None:
        body = _bomb()
        self._head({"Content-Encoding": "gzip", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _slow(self) -> None:
        self._head({"Content-Length": "100000"})
        until = time.monotonic() + LONGEST
        while time.monotonic() < until and not self.server.closing.wait(DRIP):
            self.wfile.write(b".")
            self.wfile.flush()
        self.close_connection = True

    def _stalled(self) -> None:
        self.server.closing.wait(LONGEST)
        self.close_connection = True


@cache
def _bomb() -> bytes:
    """64 MiB of zeros in 64 KiB of gzip."""
    return gzip.compress(bytes(BOMB), mtime=0)
