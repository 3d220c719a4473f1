from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import openai
import pytest

from platen.core import processes
from platen.core.stage import Folder

DEADLINE = 120  # seconds until a server must be ready, on a machine that has other work


@dataclass
class RunningServer:
    """A server process, as a user starts it."""

    process: subprocess.Popen[str]
    log: Path
    lines: list[str] = field(default_factory=list)
    url: str = ""
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def client(self) -> openai.OpenAI:
        """The official client, without retries: a test wants the first answer."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=DEADLINE)

    def requests(self) -> list[dict[str, object]]:
        """The request log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def metric(self, name: str) -> float:
        """One measure, by its name with labels."""
        text = httpx.get(f"{self.url}/metrics").text
        return float(next(line.split(" ")[-1] for line in text.splitlines() if line.startswith(f"{name} ")))

    def wait_for(self, true: Callable[[], bool]) -> None:
        """Wait until something has become so."""
        until = time.monotonic() + DEADLINE
        while not true():
            assert self.process.poll() is None, self.lines
            assert time.monotonic() < until, self.lines
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """What /readyz says."""
        return bool(self.url) and httpx.get(f"{self.url}/readyz").status_code == 200

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def last_words(self) -> str:
        """All that it said, once it has ended."""
        self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        return "".join(self.lines)

    def read(self) -> None:
        """Keep what the process says, and learn its address from it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if '"url"' in line:
                self.url = json.loads(line)["url"]


StartServer = Callable[..., RunningServer]


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory, tiny_model: Folder) -> Iterator[StartServer]:
    """Start a server of the tiny model, of another, or of the one in `env`; `ready=False` does not wait for it."""
    started: list[RunningServer] = []

    def start(
        *, model: Folder = tiny_model, ready: bool = True, env: dict[str, str] | None = None, **settings: object
    ) -> RunningServer:
        folder = tmp_path_factory.mktemp("server")
        file = folder / "settings.yaml"
        file.write_text(json.dumps({"serve": {"port": 0, "device": "cpu", "steps": 4, **settings}}))
        options = ["--settings", str(file), "--log", str(folder / "requests.jsonl")]
        named = ["--model", model.uri] if env is None else []
        argv = [sys.executable, "-m", "platen.components.serve.main", *named, *options]
        environment = {"PLATEN_LOG": "json", "OMP_NUM_THREADS": "1", **(env or {})}
        server = RunningServer(processes.start(argv, environment), folder / "requests.jsonl")
        started.append(server)
        if ready:
            server.wait_for(server.is_ready)
        return server

    yield start
    for server in started:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="session")
def server(start_server: StartServer) -> RunningServer:
    """One server for all tests that leave it as it was."""
    return start_server(max_steps=1000, max_n=4, queue=4, max_body=4096, max_prompt=200)
