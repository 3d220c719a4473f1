from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from platen.components.deploy.settings import DeploySettings
from platen.core.settings import Settings
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage, open_folder, run_stage
from platen.core.storage import write_file


class Content(Settings):
    """What a made-up report holds."""

    content: dict[str, Any]


def report(workspace: str, stage: str, name: str, content: Mapping[str, Any]) -> Folder:
    """Commit a report with one JSON file, as another stage would."""

    def work(settings: Content, inputs: Inputs, place: Place) -> Outcome:
        write_file(place.out / name, json.dumps(settings.content).encode())
        return Outcome()

    made = Stage(name=stage, version=1, kind="report", settings=Content, inputs={}, work=work)
    return run_stage(made, Content(content=dict(content)), {}, workspace).folder


@dataclass(frozen=True)
class Bench:
    """A workspace with a model, a report on it and a decision."""

    workspace: str

    def model(self, source: Folder) -> Folder:
        """A committed model, copied in."""
        target = Path(self.workspace) / "train" / Path(source.uri).name
        if not target.exists():
            shutil.copytree(source.path, target)
        return open_folder(str(target))

    def inputs(self, model: Folder, verdict: str = "promote") -> dict[str, str]:
        """The inputs of deploy."""
        evaluation = report(self.workspace, "evaluate", "report.json", {"of": model.digest})
        said = {"verdict": verdict, "reasons": ["clip_score: 0.1 is below 0.2"], "champion": None, "rules": []}
        digests = {"model": model.digest, "report": evaluation.digest}
        decision = report(self.workspace, "gate", "decision.json", {**said, **digests})
        return {"model": model.uri, "report": evaluation.uri, "decision": decision.uri}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(str(tmp_path / "workspace"))


@pytest.fixture
def settings() -> DeploySettings:
    return DeploySettings(smoke_requests=2, device="cpu")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads of several servers on few cores wait for each other; a model this small needs one."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
