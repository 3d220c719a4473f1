import json

import pytest

from platen.artifacts import releases
from platen.components.gate.settings import GateSettings
from platen.components.gate.stage import STAGE
from platen.core.errors import CorruptError, InputError
from platen.core.settings import parse
from platen.core.stage import open_folder, run_stage

RULE = "rules: [{metric: clip_score, direction: at_least, against: champion, margin: 1}]"


def decide(workspace, inputs, rules=RULE):
    result = run_stage(STAGE, parse(GateSettings, rules), inputs, str(workspace))
    return result, json.loads((result.folder.path / "decision.json").read_text())


def test_a_rejection_is_committed_with_its_reasons(tmp_path, evaluated, metric):
    inputs = evaluated("a", clip_score=metric(60.0, 59.0, 61.0))
    result, decision = decide(tmp_path / "ws", inputs, "rules: [{metric: clip_score, direction: at_least, limit: 70}]")
    assert decision["verdict"] == "reject"
    assert decision["reasons"] == ["clip_score: 59 (low end of its interval) is below the limit 70"]
    assert result.folder.manifest.facts == {"verdict": "reject", "reasons": decision["reasons"]}
    assert result.folder.manifest.counts == {"failed": 1, "rules": 1}
    assert decision["rules"][0]["bound"] == 59.0


def test_a_champion_is_what_was_live_and_not_the_candidate_itself(tmp_path, evaluated, metric):
    workspace = tmp_path / "ws"
    first, second = (evaluated(name, clip_score=metric(70.0, low, 71.0)) for name, low in (("a", 69.5), ("b", 68.0)))
    _, alone = decide(workspace, first)
    promote(workspace, first)
    result, decision = decide(workspace, second)
    assert (alone["verdict"], alone["champion"]) == ("promote", None)
    assert decision["verdict"] == "reject"
    assert decision["champion"] == {"model": digest(first["model"]), "report": digest(first["report"])}
    promote(workspace, second)
    again, _ = decide(workspace, second)
    assert again.cached and again.folder.uri == result.folder.uri


def test_another_champion_is_another_decision(tmp_path, evaluated, metric):
    workspace = tmp_path / "ws"
    candidate = evaluated("c", clip_score=metric(70.0, 69.5, 70.5))
    before, _ = decide(workspace, candidate)
    promote(workspace, evaluated("a", clip_score=metric(75.0, 74.0, 76.0)))
    after, decision = decide(workspace, candidate)
    assert not after.cached and after.folder.uri != before.folder.uri
    assert decision["verdict"] == "reject"


@pytest.mark.parametrize("required", [True, False])
def test_a_champion_with_other_prompts_is_not_compared(tmp_path, evaluated, metric, required):
    workspace = tmp_path / "ws"
    promote(workspace, evaluated("a", prompts="easier", clip_score=metric(90.0, 89.0, 91.0)))
    rules = RULE.replace("margin: 1", f"margin: 1, required: {str(required).lower()}")
    _, decision = decide(workspace, evaluated("b", clip_score=metric(70.0, 69.5, 70.5)), rules)
    assert decision["verdict"] == ("reject" if required else "promote")
    assert "the champion was measured otherwise: prompts" in decision["rules"][0]["reason"]


def test_a_report_on_another_model_is_refused(tmp_path, evaluated, metric):
    one, other = evaluated("a", clip_score=metric(70.0)), evaluated("b", clip_score=metric(71.0))
    with pytest.raises(InputError, match=rf"{other['report']}: a report about the model \w+, not about {one['model']}"):
        decide(tmp_path / "ws", {"model": one["model"], "report": other["report"]})


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_a_report_that_is_none_is_refused(tmp_path, commit, text):
    model = commit("train", "model", {"model.txt": "a"})
    report = commit("evaluate", "report", {"report.json": text})
    with pytest.raises(CorruptError, match=r"report\.json: "):
        decide(tmp_path / "ws", {"model": model.uri, "report": report.uri})


def promote(workspace, inputs):
    releases.promote(str(workspace), inputs["model"], digest(inputs["model"]), inputs["report"])


def digest(uri):
    return open_folder(uri).digest
