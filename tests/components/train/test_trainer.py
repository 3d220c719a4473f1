"""Real runs of the training entry point: two processes, gloo, ZeRO-3."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platen.components.train.checkpoint import newest_whole
from platen.errors import InputError
from tests.components.train.small_run import run, settings, write_job

pytestmark = pytest.mark.xdist_group("train")  # one rank a core


def result(work: Path) -> dict:
    return json.loads((work / "result.json").read_bytes())


def weights(work: Path) -> bytes:
    return (work / "export" / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()


def test_each_rank_holds_half_of_the_parameters(two_ranks: Path) -> None:
    zero = result(two_ranks)["zero"]
    assert zero["stage"] == 3
    assert sum(zero["parameters_per_rank"]) == zero["parameters"]
    for held in zero["parameters_per_rank"]:
        assert held == pytest.approx(zero["parameters"] / 2, rel=0.02)


def test_two_ranks_lose_what_one_rank_loses(two_ranks: Path, encoded: Path, base: Path, tmp_path: Path) -> None:
    alone = run(tmp_path, encoded, base, settings(ranks=1))
    both = result(two_ranks)["losses"]
    assert len(both) == 20
    assert alone["losses"] == pytest.approx(both, rel=1e-3)


def test_training_learns(two_ranks: Path) -> None:
    losses = result(two_ranks)["losses"]
    assert len(set(losses)) == len(losses)


def test_the_export_is_the_average_and_not_the_start(two_ranks: Path, base: Path) -> None:
    from safetensors.torch import load_file

    start = load_file(base / "unet" / "diffusion_pytorch_model.safetensors")
    end = load_file(two_ranks / "export" / "unet" / "diffusion_pytorch_model.safetensors")
    assert start.keys() == end.keys()
    assert all(start[name].shape == end[name].shape for name in start)
    moved = sum(not start[name].equal(end[name]) for name in start)
    assert moved > 0.95 * len(start)
    assert result(two_ranks)["export_error"] < 1e-5


def test_the_average_is_what_its_formula_says(two_ranks: Path, encoded: Path, base: Path, tmp_path: Path) -> None:
    """With decay 0 the average is the live model; with 0.9 it lags behind."""
    run(tmp_path, encoded, base, settings(ema_decay=0.0))
    assert weights(tmp_path) != weights(two_ranks)
    assert result(tmp_path)["losses"] == result(two_ranks)["losses"]


@pytest.mark.parametrize("step", [5, 13])
def test_killed_and_resumed_equals_uninterrupted(
    step: int, two_ranks: Path, encoded: Path, base: Path, tmp_path: Path
) -> None:
    job = write_job(tmp_path, encoded, base, settings(log_every=1))
    kill_at(step, job, tmp_path)
    assert not (tmp_path / "result.json").exists()
    resumed = run(tmp_path, encoded, base, settings(log_every=1))
    assert resumed["losses"] == pytest.approx(result(two_ranks)["losses"], rel=1e-5)
    assert weights(tmp_path) == weights(two_ranks)


def test_a_broken_checkpoint_is_passed_over(two_ranks: Path, encoded: Path, base: Path, tmp_path: Path) -> None:
    run(tmp_path, encoded, base, settings())
    checkpoints = tmp_path / "checkpoints"
    newest = checkpoints / "00000020" / "ema-1.pt"
    newest.write_bytes(newest.read_bytes()[:-1])
    assert newest_whole(checkpoints, ranks=2) == checkpoints / "00000016"
    assert newest_whole(checkpoints, ranks=3) is None
    resumed = run(tmp_path, encoded, base, settings())
    assert resumed["losses"] == pytest.approx(result(two_ranks)["losses"], rel=1e-5)
    assert weights(tmp_path) == weights(two_ranks)


def test_bf16_trains_and_exports(encoded: Path, base: Path, tmp_path: Path) -> None:
    done = run(tmp_path, encoded, base, settings(precision="bf16", gradient_checkpointing=True, steps=6))
    assert len(done["losses"]) == 6
    assert 0 < done["export_error"] < 5e-2


def test_a_missing_weight_file_is_named(encoded: Path, tmp_path: Path) -> None:
    (tmp_path / "base" / "unet").mkdir(parents=True)
    with pytest.raises(InputError, match=r"unet/config\.json: missing; the base model must be"):
        run(tmp_path / "work", encoded, tmp_path / "base", settings(steps=1))


def kill_at(step: int, job: Path, work: Path) -> None:
    """Start the stage's own launcher in a process of its own and kill it with -9 when a step was told."""
    code = (
        "import sys; from pathlib import Path; from platen.telemetry import set_up_logging; set_up_logging();"
        "from platen.components.train.main import Job; from platen.components.train.local import run_torchrun;"
        "job = Path(sys.argv[1]); parsed = Job.model_validate_json(job.read_bytes());"
        "run_torchrun(job, parsed.work, parsed.settings)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(job)], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if f"step {step} of" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for_ranks_to_die(str(job))


def wait_for_ranks_to_die(job: str) -> None:
    """The ranks are killed by the kernel when their launcher ends; none may go on writing."""
    for _ in range(100):
        alive = [path.name for path in Path("/proc").glob("[0-9]*") if job in command_of(path)]
        if not alive:
            return
        time.sleep(0.1)
    raise AssertionError(f"still running 10 s after the kill: {alive}")


def command_of(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""
