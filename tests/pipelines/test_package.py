"""Compiled pipelines, read back: what they take, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from platen.core.errors import InputError
from platen.pipelines.package import read_package
from tests.pipelines.conftest import SETTINGS, Command
from tests.pipelines.kfp_server import State


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{ingest: {folder: x}, trian: {}}", "trian: unknown setting"),
        ("{ingest: {folder: x}}", "workspace: 'runs/workspace' is on this machine"),
        ("{workspace: 'gs://b/ws'}", "ingest: not set"),
        ("{workspace: 'gs://b/ws', run: 'gs://b/r', ingest: {folder: x}}", "ingest.folder: 'x' is on this machine"),
        (SETTINGS.replace("deploy: {deployment: {} }, ", ""), "deploy.deployment: not set"),
        (
            SETTINGS[:-1] + ", evaluate: {extractor: /home/me/dino}}",
            "evaluate.extractor: '/home/me/dino' is on this machine",
        ),
        (SETTINGS[:-1] + ", plan: {prices: mine.yaml}}", "plan.prices: 'mine.yaml' is on this machine"),
        (
            SETTINGS[:-1].replace("gs://bucket/ws", "/workspace/ws") + ", train: {ranks: 2, job: {nodes: 2}}}",
            "train.job.volumes: the workspace /workspace/ws lies on none of the pods' volumes",
        ),
    ],
    ids=[
        "unknown_section",
        "workspace_of_a_laptop",
        "no_source",
        "pictures_of_a_laptop",
        "nothing_to_release_to",
        "networks_of_a_laptop",
        "prices_of_a_laptop",
        "training_off_the_volume",
    ],
)
def test_settings_are_checked_before_anything_is_sent(
    submit: Command, state: State, settings: Path, text: str, words: str
) -> None:
    settings.write_text(text)
    ended = submit()
    assert (ended.code, state.requests) == (2, [])
    assert f"my.yaml: {words}" in ended.err or words in ended.err


def test_a_pipeline_of_one_s_own_gets_its_parameters_with_their_types(
    submit: Command, state: State, compiled: Path, tmp_path: Path
) -> None:
    spec, platform = yaml.safe_load_all((compiled / "content.yaml").read_text())
    taken = spec["root"]["inputDefinitions"]["parameters"]
    taken.update(rounds={"parameterType": "NUMBER_INTEGER"}, note={"parameterType": "STRING", "isOptional": True})
    (tmp_path / "own.yaml").write_text(yaml.safe_dump_all([spec, platform]))
    own = ("--compiled", tmp_path, "--pipeline", "own")
    refused = [submit(*own).err, submit(*own, "-p", "rounds=many").err, submit(*own, "-p", "rounds=true").err]
    assert "rounds: " in refused[0] and "needs this parameter. Accepted: --parameter rounds=VALUE" in refused[0]
    assert all("Accepted: a value of type NUMBER_INTEGER" in words for words in refused[1:])
    assert state.requests == []
    assert submit(*own, "-p", "rounds=3", "-p", "note=3").code == 0
    (run,) = state.runs.values()
    parameters = run["runtime_config"]["parameters"]
    assert (parameters["rounds"], parameters["note"]) == (3, "3")


def test_a_file_that_is_no_compiled_pipeline_is_refused(tmp_path: Path) -> None:
    for text in ("a: 1", "- a", "", "a: [", "a: 1\n---\nb: 2\n---\nc: 3"):
        (tmp_path / "content.yaml").write_text(text)
        with pytest.raises(InputError, match="not a compiled pipeline"):
            read_package(tmp_path, "content")


def test_what_is_told_of_is_what_runs_something(compiled: Path) -> None:
    package = read_package(compiled, "content")
    assert {"ingest", "clean-text", "train", "notify"} <= package.tasks
    assert "exit-handler-1" not in package.tasks
    assert len(package.tasks) == 15
