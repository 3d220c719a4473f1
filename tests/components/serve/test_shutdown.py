"""A server that is asked to end while clients use it: none of their requests fails."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx

from tests.components.serve.conftest import DEADLINE, RunningServer, StartServer

CLIENTS = 4
BODY = {"prompt": "a red circle on a white background", "seed": 1, "steps": 2}
SLOWER = {**BODY, "steps": 150}


class Balancer:
    """Stands where kube-proxy does: a new connection goes to the current server, an old one stays where it is."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://{}:{}".format(*self.listener.getsockname())
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                address = urlsplit(self.server.url)
                far = socket.create_connection((address.hostname or "", address.port or 0))
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=_copy, args=ends, daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Load:
    """Clients that keep their connections and ask one after the other, until they are stopped."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.stopped = threading.Event()
        self.answers: Counter[int] = Counter()  # by status
        self.closing = 0  # answers that asked the client to open its next connection elsewhere
        self.faults: list[str] = []
        self.threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def _ask(self) -> None:
        with httpx.Client(base_url=self.url, timeout=DEADLINE) as client:
            while not self.stopped.is_set():
                try:
                    answer = client.post("/v1/images/generations", json=BODY)
                except httpx.HTTPError as error:
                    self.faults.append(repr(error))
                else:
                    self.answers[answer.status_code] += 1
                    self.closing += answer.headers.get("connection") == "close"


@contextmanager
def load(url: str) -> Iterator[Load]:
    running = Load(url)
    for thread in running.threads:
        thread.start()
    try:
        yield running
    finally:
        running.stopped.set()
        for thread in running.threads:
            thread.join(DEADLINE)


def test_clients_with_kept_connections_lose_nothing_when_their_server_goes(start_server: StartServer) -> None:
    old, new = start_server(lame_duck=8), start_server()
    balancer = Balancer(old)
    with load(balancer.url) as clients:
        old.wait_for(lambda: old.metric("platen_pictures_total") >= 10)
        old.process.terminate()
        old.wait_for(lambda: httpx.get(f"{old.url}/readyz").status_code == 503)
        made = old.metric("platen_pictures_total")
        old.wait_for(
            lambda: old.metric("platen_pictures_total") >= made + 2 * CLIENTS
        )  # still sent to, still answering
        balancer.server = new
        new.wait_for(lambda: new.metric("platen_pictures_total") >= 10)
        assert old.process.wait(DEADLINE) == 0
    assert clients.faults == []
    assert set(clients.answers) == {200}
    assert clients.closing >= CLIENTS


def test_what_comes_after_the_lame_duck_is_refused_and_the_queue_is_finished(start_server: StartServer) -> None:
    server = start_server(lame_duck=0.5, max_steps=1000, drain=600, deadline=600)
    with httpx.Client(base_url=server.url, timeout=DEADLINE) as client, load_of_two(server) as running:
        server.process.terminate()
        server.wait_for(lambda: client.get("/readyz").json()["state"] == "draining")
        late = client.post("/v1/images/generations", json=BODY)
    assert (late.status_code, late.json()["error"]["code"]) == (503, "shutting_down")
    assert late.headers["connection"] == "close"
    assert [answer.status_code for answer in running] == [200, 200]
    assert server.process.wait(DEADLINE) == 0
    assert [line["status"] for line in server.requests()] == [503, 200, 200]


@contextmanager
def load_of_two(server: RunningServer) -> Iterator[list[httpx.Response]]:
    """Two requests that take their time, one at the model and one in the queue; their answers, once it ends."""
    answers: list[httpx.Response] = []

    def ask() -> None:
        answers.append(httpx.post(f"{server.url}/v1/images/generations", json=SLOWER, timeout=DEADLINE))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    server.wait_for(lambda: server.metric("platen_requests_in_flight") == 2)
    try:
        yield answers
    finally:
        for thread in threads:
            thread.join(DEADLINE)
