import json

import pytest

from platen.artifacts import dataset
from platen.components.evaluate.settings import EvaluateSettings
from platen.components.evaluate.stage import STAGE
from platen.core.manifest import canonical
from platen.core.stage import run_stage


@pytest.fixture(scope="module")
def inputs(tiny_model, real, generated):
    return {"model": tiny_model, "dataset": real, "generated": generated}


def run(settings, inputs, workspace):
    return run_stage(STAGE, settings, {name: folder.uri for name, folder in inputs.items()}, str(workspace)).folder


@pytest.fixture(scope="module")
def folder(inputs, settings, tmp_path_factory):
    return run(settings, inputs, tmp_path_factory.mktemp("ws"))


@pytest.fixture(scope="module")
def report(folder):
    return json.loads((folder.path / "report.json").read_bytes())


def test_every_number_has_its_interval(report):
    for metric in report["metrics"].values():
        assert metric["low"] <= metric["value"] <= metric["high"], metric
        assert metric["n"] > 0
        assert metric["title"] and metric["unit"]
    names = {"held_out_loss", "fid", "kid", "clip_score", "clip_score_real", "retrieval_accuracy"}
    assert (
        names | {"memorised.share", "memorised.baseline", "memorised.threshold", "bias.colour.distance"}
        <= report["metrics"].keys()
    )


def test_what_was_compared_is_named_and_counted(report, folder, inputs):
    assert [report[name] for name in inputs] == [one.digest for one in inputs.values()]
    assert report["counts"] == {"generated": 48, "neutral": 24, "training": 36, "held_out": 24}
    assert folder.manifest.facts["fid"] == report["metrics"]["fid"]["value"]
    assert folder.manifest.kind == "report"


def test_every_measure_says_what_it_was_measured_with(report):
    used = report["measured_with"]
    assert {name.partition(".")[0] for name in report["metrics"]} == used.keys()
    assert len(used["clip_score"]["judge"]) == 64


def test_neutral_pictures_are_judged_for_bias_and_not_for_retrieval(report):
    assert report["metrics"]["retrieval_accuracy"]["n"] == 24
    assert report["metrics"]["retrieval_accuracy"]["note"].startswith("among 4 prompts")
    assert {row["retrieved"] for row in report["pictures"][24:]} == {None}
    colour = report["breakdowns"]["bias.colour"]
    assert colour["prompts"] == ["a circle"]
    assert sum(entry["count"] for entry in colour["values"]) == 24
    assert report["metrics"]["bias.colour.judge_accuracy"]["n"] == 24


def test_the_copy_is_the_closest_pair_and_both_files_are_kept(report, folder, generated, real):
    first = report["closest"][0]
    assert (first["file"], first["memorised"]) == ("pictures/00000.png", True)
    assert first["distance"] == pytest.approx(0, abs=1e-6)
    assert (folder.path / first["generated"]).read_bytes() == (generated.path / first["file"]).read_bytes()
    (sample,) = [one for one in dataset.read_samples(real.path) if one.row.key == first["key"]]
    assert (folder.path / first["training"]).read_bytes() == sample.image
    assert len(report["closest"]) == 6


def test_the_same_again_is_the_same_to_the_byte(folder, settings, inputs, tmp_path):
    again = run(settings, inputs, tmp_path)
    assert again.digest == folder.digest
    assert (again.path / "report.json").read_bytes() == canonical(
        json.loads((folder.path / "report.json").read_bytes()), indent=1
    )


def test_too_few_pictures_give_a_report_without_numbers(inputs, tmp_path):
    found = json.loads(
        (run(EvaluateSettings(min_samples=100, threads=1), inputs, tmp_path).path / "report.json").read_bytes()
    )
    assert [metric["value"] for metric in found["metrics"].values()] == [None] * 9
    assert all(metric["note"].startswith("insufficient data: ") for metric in found["metrics"].values())
    assert found["closest"] == []
    assert found["breakdowns"] == found["curves"] == {}


def test_an_extractors_folder_is_part_of_what_the_report_depends_on(inputs, tmp_path):
    (tmp_path / "weights").write_text("a")
    settings = EvaluateSettings(extractor=str(tmp_path))
    before = STAGE.outside(settings, inputs, "")
    (tmp_path / "weights").write_text("b")
    assert STAGE.outside(settings, inputs, "") != before
    assert STAGE.outside(EvaluateSettings(), inputs, "") == {}
