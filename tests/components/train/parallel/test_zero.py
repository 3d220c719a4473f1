"""What ZeRO splits, and where it lies, changes nothing of what is learnt."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from platen.components.train.presets import PRESETS
from platen.components.train.rank.machine import has_async_io
from platen.core.stage import Folder
from tests.components.train.nodes import free_port, start_node
from tests.components.train.small_run import commit, job, losses, result, run, settings, write_base

pytestmark = pytest.mark.slow

RESUMED = pytest.mark.soak("test_checkpoints goes through it, and ends with the same losses")
LADDER = [
    pytest.param({"stage": 0}, id="0"),
    pytest.param({"stage": 1}, id="1", marks=RESUMED),
    pytest.param({"stage": 2}, id="2", marks=RESUMED),
    pytest.param({"stage": 2, "offload_optimizer": "cpu"}, id="2 + CPU"),
    pytest.param({"stage": 3, "offload_optimizer": "cpu", "offload_parameters": "cpu"}, id="3 + CPU"),
    pytest.param({"stage": 3, "secondary_partition": 2}, id="3 hpZ", marks=RESUMED),
]


@pytest.mark.parametrize("zero", LADDER)
def test_every_rung_loses_what_stage_3_loses(
    zero: dict[str, Any], two_ranks: Folder, encoded: Folder, base: Folder, tmp_path: Path
) -> None:
    done = run(tmp_path, encoded, base, settings(zero=zero))
    assert done["losses"] == pytest.approx(losses(two_ranks), rel=1e-3)
    assert done["export_error"] < 1e-5
    assert done["zero"]["stage"] == zero["stage"]
    held = done["zero"]["parameters_per_rank"]
    assert sum(held) == done["zero"]["parameters"] * (2 if zero["stage"] == 0 else 1)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="quantized messages are CUDA kernels: needs two GPUs")
def test_slow_network_loses_nearly_what_stage_3_loses(encoded: Folder, base: Folder, tmp_path: Path) -> None:
    """Gradients go as 4-bit numbers between nodes: equal to within what that rounding may cost."""
    slow = PRESETS["slow-network"].sets(1)["zero"]
    plain, done = (
        on_two_nodes(tmp_path / name, job(tmp_path / name, encoded, base, settings(zero=zero, precision="bf16")))
        for name, zero in (("plain", {"stage": 3}), ("slow", slow))
    )
    assert sum(done[-5:]) == pytest.approx(sum(plain[-5:]), rel=0.02)


def on_two_nodes(shared: Path, uri: str) -> list[float]:
    """The losses of a job whose two ranks see a GPU each: DeepSpeed takes them for nodes."""
    port = free_port()
    nodes = [start_node(uri, shared, index, 2, port, {"CUDA_VISIBLE_DEVICES": str(index)}) for index in range(2)]
    assert [node.end() for node in nodes] == [0, 0], nodes[0].text
    return list(result(shared)["losses"])


@pytest.mark.timeout(1800)
@pytest.mark.soak("DeepSpeed compiles its extension for NVMe for minutes")
@pytest.mark.skipif(not has_async_io(), reason="DeepSpeed's async_io needs libaio-dev, g++ and ninja")
def test_nvme_goes_on_from_memory_and_memory_from_nvme(encoded: Folder, tmp_path: Path) -> None:
    """On a model that is large enough: of a smaller one nothing leaves memory."""
    base = commit(partial(write_base, widths=(32, 256)), tmp_path / "inputs", "base", "model")
    disk = tmp_path / "disk"
    disk.mkdir()
    nvme = {"offload_optimizer": "nvme", "offload_parameters": "nvme", "nvme_path": str(disk)}
    kept = partial(settings, checkpoints={"every": 8, "keep_last": 9})
    plain = run(tmp_path / "plain", encoded, base, kept())

    on_nvme = kept(zero={**nvme, "nvme_sub_group": 300_000})
    with swapped(disk) as files:
        nvme_after_8 = run(only_checkpoint(8, tmp_path / "plain", tmp_path / "nvme"), encoded, base, on_nvme)
    plain_after_16 = run(only_checkpoint(16, tmp_path / "nvme", tmp_path / "back"), encoded, base, kept())

    assert {file.split("/")[2] for file in files} >= {"float32params", "optimizer"}
    for done, began in ((nvme_after_8, 8), (plain_after_16, 16)):
        assert done["began"] == [began]
        assert done["losses"] == pytest.approx(plain["losses"], rel=1e-3)
        assert done["export_error"] < 1e-5
    assert list(disk.iterdir()) == []


def only_checkpoint(step: int, of: Path, shared: Path) -> Path:
    """A shared place with one checkpoint of another run in it."""
    name = f"{step:08d}"
    shutil.copytree(of / "checkpoints" / name, shared / "checkpoints" / name)
    return shared


@contextmanager
def swapped(disk: Path) -> Iterator[set[str]]:
    """Every file seen below a folder while this lasts."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            seen.update(str(path.relative_to(disk)) for path in disk.rglob("*.swp"))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
