from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from platen.core.errors import SettingsError
from platen.core.settings import build, document, mapping, over, parse
from platen.pipelines.settings import RunSettings

ROOT = Path(__file__).parents[2]


RUNS = sorted(path for path in (ROOT / "examples").glob("*.yaml") if path.stem != "cluster")  # for `platen compile`


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_examples_can_be_used(path: Path) -> None:
    """Those of the demo's families lie on top of the demo's settings."""
    below = mapping((ROOT / "examples" / "demo.yaml").read_text()) if path.stem.startswith("demo-") else {}
    assert build(RunSettings, over(below, mapping(path.read_text(), str(path))), str(path)).ingest is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ingest: {folder: x}\ntrian: {}", r"trian: unknown setting. Accepted: train \(did you mean that\?\)"),
        ("ingest: {folder: x}\ntrain: {stpes: 3}", r"train\.stpes: unknown setting. Accepted: steps"),
        ("ingest: {folder: x}\ntrain: {steps: many}", r"train\.steps: 'many'.*Accepted: optimizer steps, 1 or more"),
        ("train: {steps: 3}", r"ingest: not set. Accepted: where the pictures come from"),
    ],
    ids=["unknown_section", "unknown_setting", "wrong_type", "no_source"],
)
def test_faults_name_file_field_and_what_is_accepted(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=rf"my\.yaml: {message}"):
        parse(RunSettings, text, "my.yaml")


def test_what_is_printed_can_be_read_back() -> None:
    printed = yaml.safe_load(document(RunSettings))
    assert printed["ingest"]["folder"] is None
    assert parse(RunSettings, yaml.safe_dump(printed)).train.steps == RunSettings.model_fields["train"].default.steps
