"""A training that runs: three nodes of one rank each on this machine, looked at from outside."""

from __future__ import annotations

import gzip
import json
import math
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from platen.core.stage import Folder
from tests.components.train.nodes import TIMEOUT, Worker, free_port, start_nodes
from tests.components.train.small_run import job, settings

Samples = dict[tuple[str, tuple[str, ...]], float]


@dataclass
class Running:
    """Its nodes, the folder of its records, and its port."""

    nodes: list[Worker]
    shared: Path
    port: int

    def samples(self) -> Samples:
        """What it answers to a scrape: {(name, label values): value}."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        families = text_string_to_metric_families(text)
        return {(s.name, tuple(s.labels.values())): s.value for family in families for s in family.samples}


@pytest.fixture(scope="module")
def running(encoded: Folder, base: Folder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder, port = tmp_path_factory.mktemp("running"), free_port()
    chosen = settings(
        ranks=3, steps=5000, global_batch=6, checkpoints={"every": 5000}, measure={"port": port}, log_every=2
    )
    shared = folder / "shared"
    nodes = start_nodes(job(shared, encoded, base, chosen), folder, count=3)
    try:
        nodes[0].wait_for("step 10 of")
        yield Running(nodes, shared, port)
    finally:
        for process in [process for node in nodes for process in [*node.ranks(), node.process]]:
            process.kill()


def test_prometheus_is_told(running: Running) -> None:
    found = running.samples()
    told = {name for name, _ in found}
    assert math.isfinite(found["platen_train_loss", ()])
    assert found["platen_train_planned_steps", ()] == 5000
    assert found["platen_train_step", ()] <= found["platen_train_steps_total", ()] + 1
    assert 0 < found["platen_train_goodput_ratio", ()] < 1
    assert found["platen_train_memory_bytes", ("optimizer",)] > found["platen_train_memory_bytes", ("ema",)] > 0
    assert found["platen_train_spent_seconds_total", ("communication",)] > 0
    assert "platen_train_mfu_ratio" in told
    assert not {"platen_train_straggler", "platen_train_slow_link_bytes_per_second"} & told


def test_a_signal_to_a_pods_first_process_has_its_ranks_traced(running: Running) -> None:
    running.nodes[2].process.send_signal(signal.SIGUSR1)
    running.nodes[2].wait_for("trace of step")
    (path,) = running.shared.glob("measured/*/traces/*-rank-2.json.gz")
    events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    assert any(event.get("name") == "aten::convolution" for event in events)


def test_the_rank_that_is_slow_is_named(running: Running) -> None:
    """Rank 1 is stopped again and again; every rank's steps take longer, and it is the one that is named."""
    rank = min(running.nodes[1].ranks(), key=psutil.Process.create_time)  # and not a child of its own
    try:
        for _ in range(TIMEOUT * 3):
            pause(rank, 0.3)
            named = [labels for name, labels in running.samples() if name == "platen_train_straggler"]
            if any("1" in labels for labels in named):
                break
    finally:
        rank.resume()
    assert [set(labels) for labels in named] == [{"1", socket.gethostname(), "compute"}]
    running.nodes[0].wait_for(f"rank 1 on {socket.gethostname()} is slow: the others wait for it")


def pause(process: psutil.Process, seconds: float) -> None:
    process.suspend()
    time.sleep(seconds)
    process.resume()
    time.sleep(seconds / 10)
