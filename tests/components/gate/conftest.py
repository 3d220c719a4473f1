import json

import pytest

from platen.settings import Settings
from platen.stage import Outcome, Stage, run_stage


class Content(Settings):
    files: dict[str, str]


def _write(settings, inputs, place):
    for name, text in settings.files.items():
        (place.out / name).write_text(text)
    return Outcome()


@pytest.fixture
def commit(tmp_path):
    """Commit a folder with the given files; the workspace is `tmp_path / "ws"`."""

    def do(stage, kind, files):
        made = Stage(name=stage, version=1, kind=kind, settings=Content, inputs=(), work=_write)
        return run_stage(made, Content(files=files), {}, str(tmp_path / "ws")).folder

    return do


@pytest.fixture
def evaluated(commit):
    """Commit a model called `name` and a report on it with the given metrics; their URIs by the gate's input names."""

    def do(name, prompts="the same", **metrics):
        model = commit("train", "model", {"model.txt": name})
        used = {metric: {"prompts": prompts} for metric in metrics}
        content = {"model": model.digest, "measured_with": used, **metrics}
        report = commit("evaluate", "report", {"report.json": json.dumps(content)})
        return {"model": model.uri, "report": report.uri}

    return do


@pytest.fixture
def metric():
    """A metric as evaluate writes it."""

    def do(value, low=None, high=None, note=""):
        return {"value": value, "low": low, "high": high, "n": 100, "unit": "", "direction": "higher", "note": note}

    return do
