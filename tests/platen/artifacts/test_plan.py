from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from platen.artifacts.plan import PlannedHardware, PlannedTraining
from platen.core.errors import CorruptError
from platen.core.manifest import Manifest
from platen.core.stage import Folder
from tests.committed import commit

SECTIONS = st.dictionaries(st.sampled_from(["stage", "a", "b"]), st.none() | st.integers(0, 9) | st.text("abc"))
HARDWARE = st.builds(PlannedHardware, gpu=st.text("aH1-"), memory_gib=st.floats(1, 1e3))
TRAININGS = st.builds(
    PlannedTraining,
    zero=SECTIONS, planned_for=HARDWARE, measure=st.none() | SECTIONS, threads=st.none() | st.integers(1, 99),
    job=st.none() | SECTIONS,
)  # fmt: skip
PLANNED: dict[str, Any] = {
    **{"steps": 10, "global_batch": 64, "precision": "bf16", "micro_batch": 4, "ranks": 8},
    **{"gradient_checkpointing": True, "zero": {"stage": 2}},
    "planned_for": {"gpu": "H100-80GB", "memory_gib": 80, "gpus_per_node": 8, "nodes": 1},
}


class Written(Folder):
    """A folder that holds these bytes."""

    def read(self, name: str) -> bytes | None:
        return bytes.fromhex(self.uri)


@given(TRAININGS)
def test_a_training_is_read_as_it_was_written(training: PlannedTraining) -> None:
    folder = Written(training.encode().hex(), Manifest.model_construct())
    assert PlannedTraining.read(folder) == training


def test_a_folder_without_a_plan_has_none(tmp_path: Path) -> None:
    assert PlannedTraining.read(commit(tmp_path, {})) is None


@pytest.mark.parametrize(
    ("section", "says"),
    [
        (None, "train: Input should be an object"),
        ({**PLANNED, "steps": "many"}, "train: steps: Input should be a valid integer"),
        ({**PLANNED, "planned_for": {"gpu": "H100-80GB"}}, "train: planned_for.memory_gib: Field required"),
        ({**PLANNED, "later": 1}, "train: later: Extra inputs are not permitted"),
    ],
)
def test_what_is_no_plan_is_refused_by_file_and_field(tmp_path: Path, section: object, says: str) -> None:
    folder = commit(tmp_path, {"train.yaml": yaml.safe_dump({"train": section})})
    with pytest.raises(CorruptError) as raised:
        PlannedTraining.read(folder)
    assert str(raised.value).startswith(f"{folder.uri}/train.yaml: {says}")
