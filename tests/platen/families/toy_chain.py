"""The toy siblings through real stages: `python -m tests.platen.families.toy_chain WORKSPACE` prints what came out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from platen.artifacts.evaluation import EvaluationReport
from platen.artifacts.images import read_index
from platen.components.encode.settings import EncodeSettings
from platen.components.encode.stage import STAGE as ENCODE
from platen.components.evaluate.settings import EvaluateSettings
from platen.components.evaluate.stage import STAGE as EVALUATE
from platen.components.gate.rules import judge
from platen.components.gate.settings import Rule
from platen.components.generate.settings import GenerateSettings
from platen.components.generate.stage import STAGE as GENERATE
from platen.components.registry import stage_named
from platen.components.train.stage import STAGE as TRAIN
from platen.core.settings import Settings
from platen.core.stage import Folder, Stage, run_stage
from platen.families.registry import family_named
from tests.components.encode.shapes import commit_shapes
from tests.components.train.small_run import commit, settings
from tests.tiny_model import tiny_tokenizer, write_clip

PROMPTS = ("a red circle", "a blue square", "a green triangle")


def write_base(out: Path) -> None:
    """The toy family's tiny model, and the judge beside it."""
    family_named("toy").tiny(out, 0)
    write_clip(out / "clip", tiny_tokenizer())


def run_chain(workspace: str) -> tuple[Folder, Folder]:
    """Encode, train, generate, evaluate; the folders of the model and of the report on it."""

    def run(stage: Stage[Any], chosen: Settings, **inputs: Folder) -> Folder:
        return run_stage(stage, chosen, {name: folder.uri for name, folder in inputs.items()}, workspace).folder

    prompts = Path(workspace, "prompts.txt")
    prompts.parent.mkdir(parents=True, exist_ok=True)
    prompts.write_text("\n".join(PROMPTS))
    base, dataset = commit(write_base, workspace, "base", "model"), commit_shapes(workspace)
    encoded = run(ENCODE, EncodeSettings(device="cpu"), dataset=dataset, base=base)
    chosen = settings(steps=2, global_batch=4, objective={"min_snr_gamma": None})
    model = run(TRAIN, chosen, encoded=encoded, base=base)
    generated = run(GENERATE, GenerateSettings(prompts=str(prompts), steps=1), model=model)
    assert [row.prompt for row in read_index(generated.path)] == list(PROMPTS)
    measured = EvaluateSettings.model_validate({"min_samples": 2, "metrics": {"brightness": {"channel": 2}}})
    return model, run(EVALUATE, measured, model=model, dataset=dataset, generated=generated)


def main(workspace: str) -> None:
    """Run the chain, hold the toy metric against a rule, and run the toy stage as its command does."""
    from platen.cli import app
    from platen.pipelines.cluster_settings import ClusterSettings
    from platen.pipelines.settings import RunSettings

    model, evaluated = run_chain(workspace)
    report = EvaluationReport.read(evaluated)
    (outcome,) = judge([Rule(metric="brightness", direction="at_most", limit=1.0)], report, None)
    toy = stage_named("toy")
    counted = run_stage(toy, toy.settings(), {"report": evaluated.uri}, workspace).folder
    found = {
        "family": model.manifest.facts["family"],
        "held_out_loss": report.metrics["held_out_loss"].value,
        "brightness": report.metrics["brightness"].model_dump(),
        "measured_with": report.measured_with["brightness"],
        "passed": outcome.passed,
        "counted": counted.manifest.counts,
        "has_section": "toy" in RunSettings.model_fields,
        "has_pod": "toy" in ClusterSettings.model_fields,
        "commands": [command.name for command in app.registered_commands],
    }
    print(json.dumps(found))  # noqa: T201 - for the test


if __name__ == "__main__":
    main(sys.argv[1])
