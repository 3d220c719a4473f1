"""The train stage's ranks on a GPU, at ZeRO-3 over NCCL."""

from __future__ import annotations

from pathlib import Path

import pytest

from platen.core.stage import Folder
from tests.components.train.small_run import commit, run, settings, write_base, write_encoded

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

STEPS = 8


@pytest.fixture(scope="module")
def inputs(gpu: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Folder, Folder]:
    workspace = tmp_path_factory.mktemp("inputs")
    return commit(write_encoded, workspace, "encode", "encoded"), commit(write_base, workspace, "base", "model")


def test_a_gpu_trains_as_a_cpu_does(
    inputs: tuple[Folder, Folder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(steps=STEPS, ranks=1, zero={"stage": 3}, ema={"decay": 0.5})
    on_gpu = run(tmp_path / "gpu", *inputs, chosen)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    on_cpu = run(tmp_path / "cpu", *inputs, chosen)
    assert on_gpu["losses"] == pytest.approx(on_cpu["losses"], rel=1e-2)  # convolutions take TF32 on a GPU
    assert on_gpu["measured"]["memory_bytes"]["activations"] > 0
    assert on_gpu["export_error"] < 1e-3


def test_bf16_trains_on_a_gpu(inputs: tuple[Folder, Folder], tmp_path: Path) -> None:
    chosen = settings(steps=STEPS, ranks=1, precision="bf16", zero={"stage": 3}, gradient_checkpointing=True)
    told = run(tmp_path, *inputs, chosen)
    assert all(0 < loss < 10 for loss in told["losses"])
    assert told["zero"]["stage"] == 3
