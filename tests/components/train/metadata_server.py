"""A server as the metadata servers of clouds, on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]


class MetadataServer(ThreadingHTTPServer):
    """Gives one answer to whoever asks, with a token where one is wanted; keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = Answer(200, "FALSE")
        self.token: str | None = None
        self.asked: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/preempted"

    def wait_until_asked(self, times: int) -> None:
        for _ in range(1000):
            if len(self.asked) >= times:
                return
            time.sleep(0.03)
        raise AssertionError(f"asked {len(self.asked)} times, not {times}")


class Handler(BaseHTTPRequestHandler):
    server: MetadataServer

    def do_GET(self) -> None:
        self.keep()
        token = self.server.token
        if token is not None and self.headers.get("X-aws-ec2-metadata-token") != token:
            self.give(Answer(401, ""))
        else:
            self.give(self.server.answer)

    def do_PUT(self) -> None:
        self.keep()
        wanted = self.path == "/latest/api/token" and self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
        self.give(Answer(200, self.server.token or "") if wanted else Answer(400, ""))

    def keep(self) -> None:
        self.server.asked.append(Request(self.command, self.path, dict(self.headers)))

    def give(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.text.encode())

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[MetadataServer]:
    with MetadataServer() as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()
