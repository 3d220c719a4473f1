"""The command as a user starts it: a process, its exit code, its words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = {
    *("ingest", "clean-text", "clean-images", "merge", "base", "encode", "train", "generate", "evaluate", "gate"),
    *("deploy", "serve", "monitor", "notify", "sample", "plan", "batch-size"),
    *("run", "demo", "compile", "submit", "cancel", "reap", "settings", "version", "preflight", "doctor"),
    *("verify", "lineage", "releases", "rollback"),
}


def platen(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "platen.cli", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_every_command_is_listed_and_no_other(tmp_path: Path) -> None:
    """A frozen list: who adds a command adds it here and to the README."""
    from platen.cli import app

    names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    assert set(names) == COMMANDS
    assert platen("--help", cwd=tmp_path).returncode == 0


def test_help_needs_neither_torch_nor_kfp() -> None:
    code = "import sys, platen.cli; sys.exit(any(name in sys.modules for name in ('torch', 'kfp', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_preset_is_printed_as_settings_and_an_unknown_one_refused(tmp_path: Path) -> None:
    printed = platen("settings", "--preset", "one-node", cwd=tmp_path)
    assert printed.stdout.endswith("train:\n  zero:\n    stage: 2\n")
    refused = platen("settings", "--preset", "one-nod", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--preset one-nod: unknown. Accepted: one-node (did you mean that?)" in refused.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (None, "my.yaml: no such settings file"),
        ("a: [", "my.yaml: not YAML"),
        ("ingest: {folder: gone}\ntrain: {stpes: 1}", "my.yaml: train.stpes: unknown setting. Accepted: steps"),
        ("ingest: {folder: gone}", "gone"),
        ("ingest: {folder: empty}", "empty"),
        ("train: {steps: 1}", "my.yaml: ingest: not set"),
    ],
    ids=["no_file", "no_yaml", "unknown_setting", "no_folder", "empty_folder", "no_source"],
)
def test_the_user_s_mistakes_end_with_2_and_one_line(tmp_path: Path, settings: str | None, words: str) -> None:
    (tmp_path / "empty").mkdir()
    if settings is not None:
        (tmp_path / "my.yaml").write_text(settings)
    ended = platen("ingest", "--settings", "my.yaml", "--workspace", "ws", "--run", "run", cwd=tmp_path)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.glob("ws/ingest/[0-9a-f]*"))


def test_a_stage_runs_alone_and_its_output_can_be_verified_and_traced(tmp_path: Path) -> None:
    assert platen("sample", "world", "--pictures", "24", cwd=tmp_path).returncode == 2  # too few for the faults
    (tmp_path / "my.yaml").write_text("ingest: {folder: world/pictures}\nworkspace: ws\nrun: run\n")
    assert platen("sample", "world", "--pictures", "60", cwd=tmp_path).returncode == 0
    made = platen("ingest", "-s", "my.yaml", cwd=tmp_path)
    uri = made.stdout.strip()
    assert made.returncode == 0, made.stderr
    assert platen("verify", uri, cwd=tmp_path).stdout.endswith("all as committed\n")
    assert uri in platen("lineage", uri, cwd=tmp_path).stdout
    shard = next((tmp_path / uri / "shards").glob("*.tar"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    broken = platen("verify", uri, cwd=tmp_path)
    assert broken.returncode == 2
    assert f"shards/{shard.name}: SHA-256" in broken.stderr


def test_an_input_that_is_no_pair_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("ingest: {folder: x}")
    ended = platen("merge", "-s", "my.yaml", "-i", "dataset", cwd=tmp_path)
    assert (ended.returncode, "--input must have the form NAME=URI (got dataset)" in ended.stderr) == (2, True)
