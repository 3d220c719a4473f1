"""Real runs of the training entry point: two processes, gloo, ZeRO-3."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from platen.errors import InputError
from platen.stage import Folder
from tests.components.train.small_run import commit, job, result, run, settings, weights

pytestmark = pytest.mark.xdist_group("train")  # one rank a core


def test_each_rank_holds_half_of_the_parameters(two_ranks: Path) -> None:
    zero = result(two_ranks)["zero"]
    assert zero["stage"] == 3
    assert sum(zero["parameters_per_rank"]) == zero["parameters"]
    for held in zero["parameters_per_rank"]:
        assert held == pytest.approx(zero["parameters"] / 2, rel=0.02)


def test_two_ranks_lose_what_one_rank_loses(two_ranks: Path, encoded: Folder, base: Folder, tmp_path: Path) -> None:
    alone = run(tmp_path, encoded, base, settings(ranks=1))
    both = result(two_ranks)["losses"]
    assert len(both) == 20
    assert alone["losses"] == pytest.approx(both, rel=1e-3)


def test_training_learns(two_ranks: Path) -> None:
    losses = result(two_ranks)["losses"]
    assert len(set(losses)) == len(losses)


def test_the_export_is_the_average_and_not_the_start(two_ranks: Path, base: Folder) -> None:
    from safetensors.torch import load_file

    start = load_file(base.path / "unet" / "diffusion_pytorch_model.safetensors")
    end = load_file(two_ranks / "export" / "unet" / "diffusion_pytorch_model.safetensors")
    assert start.keys() == end.keys()
    assert all(start[name].shape == end[name].shape for name in start)
    moved = sum(not start[name].equal(end[name]) for name in start)
    assert moved > 0.95 * len(start)
    assert result(two_ranks)["export_error"] < 1e-5


def test_the_average_is_what_its_formula_says(two_ranks: Path, encoded: Folder, base: Folder, tmp_path: Path) -> None:
    """With decay 0 the average is the live model; with 0.9 it lags behind."""
    run(tmp_path, encoded, base, settings(ema_decay=0.0))
    assert weights(tmp_path) != weights(two_ranks)
    assert result(tmp_path)["losses"] == result(two_ranks)["losses"]


@pytest.mark.parametrize("step", [5, 13])
def test_killed_and_resumed_equals_uninterrupted(
    step: int, two_ranks: Path, encoded: Folder, base: Folder, tmp_path: Path
) -> None:
    kill_at(step, job(tmp_path, encoded, base, settings(log_every=1)))
    assert not (tmp_path / "result.json").exists()
    resumed = run(tmp_path, encoded, base, settings(log_every=1))
    assert resumed["losses"] == pytest.approx(result(two_ranks)["losses"], rel=1e-5)
    assert resumed["began"] == [0, 0 if step == 5 else 8]
    assert weights(tmp_path) == weights(two_ranks)


def test_bf16_trains_and_exports(encoded: Folder, base: Folder, tmp_path: Path) -> None:
    done = run(tmp_path, encoded, base, settings(precision="bf16", gradient_checkpointing=True, steps=6))
    assert len(done["losses"]) == 6
    assert 0 < done["export_error"] < 5e-2


def test_a_missing_weight_file_is_named(encoded: Folder, tmp_path: Path) -> None:
    base = commit(lambda out: (out / "unet").mkdir(), tmp_path / "inputs", "base", "model")
    with pytest.raises(InputError, match=r"unet/config\.json: missing; the base model must be"):
        run(tmp_path / "shared", encoded, base, settings(steps=1))


def kill_at(step: int, uri: str) -> None:
    """Start the stage's own launcher in a process of its own and kill it with -9 when a step was told."""
    code = (
        "import sys; from pathlib import Path; from platen.telemetry import set_up_logging; set_up_logging();"
        "from platen.components.train.job import read_job; from platen.components.train.local import run_here;"
        "from platen.stage import Place; job = read_job(sys.argv[1]); shared = Path(job.shared);"
        "run_here(sys.argv[1], job.settings, Place(shared, shared, '', job.shared))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, uri], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if f"step {step} of" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
