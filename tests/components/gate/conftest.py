import pytest

from tests import committed
from tests.small_report import metric as metric_of
from tests.small_report import report as report_of


@pytest.fixture
def commit(tmp_path):
    """Commit a folder with the given files; the workspace is `tmp_path / "ws"`."""
    return lambda stage, kind, files: committed.commit(tmp_path / "ws", files, stage=stage, kind=kind)


@pytest.fixture
def evaluated(commit):
    """Commit a model called `name` and a report on it with the given metrics; their URIs by the gate's input names."""

    def do(name, prompts="the same", **metrics):
        model = commit("train", "model", {"model.txt": name})
        used = {metric: {"prompts": prompts} for metric in metrics}
        content = report_of(model=model.digest, measured_with=used, **metrics).encode().decode()
        return {"model": model.uri, "report": commit("evaluate", "report", {"report.json": content}).uri}

    return do


@pytest.fixture
def metric():
    """A metric as evaluate writes it."""
    return metric_of
