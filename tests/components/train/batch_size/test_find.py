"""The command as a user starts it: real trainings of two steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from platen.components.train.batch_size.find import FILL, Found, find, on_this_machine, told
from platen.components.train.batch_size.memory import Taken
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError
from platen.core.stage import Folder
from tests.components.train.small_run import commit, settings, write_encoded

pytestmark = pytest.mark.slow


def test_the_setting_is_printed_with_the_limit_that_it_met(encoded: Folder, base: Folder, tmp_path: Path) -> None:
    train = {"ranks": 1, "global_batch": 2, "micro_batch": 1, "precision": "fp32"}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump({"ingest": {"folder": "x"}, "train": train}))
    inputs = ["--input", f"encoded={encoded.uri}", "--input", f"base={base.uri}"]
    command = [sys.executable, "-m", "platen.cli", "batch-size", "-s", "my.yaml", *inputs]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert yaml.safe_load(ended.stdout) == {"train": {"micro_batch": 2}}
    assert ended.stdout.startswith("# limit: the global batch: 2 samples are all of a rank's share")
    assert "batch-size: micro_batch 1: " in ended.stderr


def test_memory_is_a_limit_and_a_trial_without_enough_is_no_failure(base: Folder, tmp_path: Path) -> None:
    """A prime number of samples a step: of its two divisors one takes next to nothing, the other gigabytes."""
    encoded = commit(lambda folder: write_encoded(folder, 12_000), tmp_path, "encode", "encoded")
    chosen = settings(ranks=1, global_batch=11_987, micro_batch=1)
    found = find(chosen, {"encoded": encoded, "base": base}, limit=3 * 2**30)
    assert (found.micro_batch, found.limit) == (1, "memory")
    assert found.taken.share <= FILL


def test_a_model_that_does_not_fit_at_all_is_refused_with_what_helps(encoded: Folder, base: Folder) -> None:
    chosen = settings(ranks=1)
    with pytest.raises(SettingsError, match=r"train\.micro_batch: not even 1 sample .*gradient_checkpointing: true"):
        find(chosen, {"encoded": encoded, "base": base}, limit=2**29)


def test_another_fault_than_memory_is_raised_as_it_is(encoded: Folder, base: Folder) -> None:
    chosen = settings(ranks=1, precision="fp16")
    with pytest.raises(SettingsError, match=r"train\.precision: fp16, and this machine has no GPU"):
        find(chosen, {"encoded": encoded, "base": base})


def test_of_a_jobs_nodes_this_machine_is_one() -> None:
    job = {"nodes": 4, "processes_per_node": 2}
    here = on_this_machine(TrainSettings.model_validate({"ranks": 8, "global_batch": 64, "micro_batch": 2, "job": job}))
    assert (here.ranks, here.global_batch, here.job) == (2, 16, None)


def test_the_number_of_samples_is_told_where_it_is_the_limit() -> None:
    found = Found(50, Taken(2**30, 2**32), "samples")
    assert told(found, TrainSettings()).splitlines() == [
        "# limit: the number of samples: a larger one would hold some twice",
        "# taken: 1.00 of 4.00 GiB a rank (25%)",
        "train:",
        "  micro_batch: 50",
    ]
