"""Two nodes of a job on one machine: each is the process that a training pod runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

TIMEOUT = 180  # seconds until a test gives up waiting
ENDING = 400  # for the end of a node: torchrun waits 300 for another that was killed when all its ranks were done


@dataclass
class Worker:
    """The process of a pod, and the file its log goes to."""

    process: psutil.Popen
    log: Path

    def wait_for(self, words: str) -> None:
        """Until the log holds these words."""
        for _ in range(TIMEOUT * 20):
            if words in self.text:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"{words!r} not in the log:\n{self.text}")

    def ranks(self) -> list[psutil.Process]:
        """The rank processes of this node."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        return [
            process for process in below if process.cmdline()[1:4] == ["-u", "-m", "platen.components.train.rank.main"]
        ]

    def end(self) -> int:
        """The exit code, once it has ended."""
        return int(self.process.wait(ENDING))

    @property
    def text(self) -> str:
        """What it has logged so far."""
        return self.log.read_text()


def start_nodes(uri: str, folder: Path, count: int = 2, **env: str) -> list[Worker]:
    """Start the nodes of a job, one rank each, with a scratch folder of its own each."""
    port = free_port()
    return [start_node(uri, folder, index, count, port, env) for index in range(count)]


def start_node(uri: str, folder: Path, index: int, count: int, port: int, env: dict[str, str]) -> Worker:
    told = {
        "PET_NNODES": str(count),
        "PET_NODE_RANK": str(index),
        "PET_NPROC_PER_NODE": "1",
        "PET_MASTER_ADDR": "127.0.0.1",
        "PET_MASTER_PORT": str(port),
        "PLATEN_SCRATCH": str(folder / f"node-{index}"),
        "PLATEN_LOG": "json",
    }
    log = folder / f"node-{index}.log"
    with log.open("w") as file:
        argv = [sys.executable, "-m", "platen.components.train.node.worker", uri]
        process = psutil.Popen(argv, env={**os.environ, **told, **env}, stdout=file, stderr=subprocess.STDOUT)
    return Worker(process, log)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
