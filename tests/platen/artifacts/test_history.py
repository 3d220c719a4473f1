from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.artifacts.history import TrainingHistory
from platen.core.errors import CorruptError
from tests.committed import commit

NUMBERS = st.floats(-1e9, 1e9)
HISTORIES = st.builds(
    TrainingHistory,
    loss=st.lists(st.none() | NUMBERS),
    learning_rate=st.lists(NUMBERS),
    left_out=st.lists(st.integers(0)),
)


@given(HISTORIES)
def test_a_history_is_read_as_it_was_written(history: TrainingHistory) -> None:
    assert TrainingHistory.parse(history.encode(), "history.json") == history


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Invalid JSON"),
        ('{"loss": [1.0]}', "learning_rate: Field required"),
        ('{"loss": [1.0, "high"], "learning_rate": []}', "loss.1: Input should be a valid number"),
    ],
)
def test_what_is_no_history_is_refused_by_file_and_field(tmp_path: Path, text: str, says: str) -> None:
    folder = commit(tmp_path, {"history.json": text})
    with pytest.raises(CorruptError) as raised:
        TrainingHistory.read(folder)
    assert str(raised.value).startswith(f"{folder.uri}/history.json: {says}")
