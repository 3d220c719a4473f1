"""What of a training is compared between runs."""

from __future__ import annotations

from pathlib import Path

from platen.components.train.run_metrics import run_metrics
from platen.core.manifest import RUN
from platen.core.settings import Settings
from platen.core.stage import Inputs, Outcome, Place, Stage, run_stage
from platen.core.ui import finite


class Nothing(Settings):
    """No settings."""


def work(settings: Nothing, inputs: Inputs, place: Place) -> Outcome:
    measured = {"attempts": 2, "goodput": 0.75, "mfu": None, "cost_usd": 12.5, "shares": {"compute": 0.9}}
    zero = {"stage": 3, "world_size": 2, "parameters": 2_062_407, "parameters_per_rank": [1, 2]}
    place.observe(train_seconds=80.0, samples_per_second=187.3, zero=zero, measured=measured, left_out=[])
    facts = {
        "resolution": 64,
        "steps": 240,
        "first_loss": 1.07,
        "last_loss": 0.12,
        "export_error": 0.0,
        "prediction": "epsilon",
    }
    return Outcome(counts={"steps": 240, "samples": 1920}, facts=facts)


STAGE = Stage("train", 1, "model", Nothing, {}, work)


def test_numbers_of_the_manifest_and_of_the_run(tmp_path: Path) -> None:
    folder = run_stage(STAGE, Nothing(), {}, str(tmp_path)).folder
    wanted = {
        **{"steps": 240, "images": 1920, "first_loss": 1.07, "final_loss": 0.12, "export_error": 0.0},
        **{"train_seconds": 80.0, "images_per_second": 187.3, "parameters": 2_062_407, "zero_stage": 3},
        **{"world_size": 2, "attempts": 2, "goodput": 0.75, "cost_usd": 12.5},
    }
    assert finite(run_metrics(folder)) == wanted
    again = run_stage(STAGE, Nothing(), {}, str(tmp_path))
    assert again.cached and finite(run_metrics(again.folder)) == wanted


def test_a_model_without_a_record_of_its_making_has_the_numbers_of_its_manifest(tmp_path: Path) -> None:
    folder = run_stage(STAGE, Nothing(), {}, str(tmp_path)).folder
    Path(folder.uri, RUN).unlink()
    assert sorted(finite(run_metrics(folder))) == ["export_error", "final_loss", "first_loss", "images", "steps"]
