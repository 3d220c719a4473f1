"""An HTTP server that answers as an API server does, by the script of a test."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kubernetes.client import ApiClient, Configuration

from platen.jobs.cluster import Cluster


@dataclass
class Request:
    """One that came."""

    method: str
    path: str
    content: str
    body: Any


@dataclass
class Script:
    """The answers to come, (status, JSON), the last of them again and again; and what was asked."""

    answers: list[tuple[int, Any]] = field(default_factory=lambda: [(200, {})])
    asked: list[Request] = field(default_factory=list)


@contextmanager
def serving(script: Script, patience: float = 5.0) -> Iterator[Cluster]:
    """Yield a connection to such a server."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65_537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(data) if data else None
            script.asked.append(Request(self.command, self.path, self.headers.get("Content-Type", ""), body))
            status, said = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(said.encode() if isinstance(said, str) else json.dumps(said).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        settings = Configuration(host=f"http://127.0.0.1:{server.server_port}")
        settings.retries = False
        yield Cluster(ApiClient(settings), "platen", patience=patience)
        server.shutdown()
