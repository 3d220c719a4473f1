"""Batches that were left out, written and read back."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from platen.components.train.rank.incidents import INCIDENTS, Incident, read_incidents, write_incidents

ONE = Incident(step=4, reason="NaN", loss=None, action="skip", left_out=(4, 4), samples=["0-1"], worst=[])
INCIDENT = st.builds(
    Incident,
    step=st.integers(0, 100),
    reason=st.text(st.characters(exclude_categories=["Cs"])),
    loss=st.none() | st.floats(-1e9, 1e9),
    samples=st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
)


@given(st.lists(INCIDENT, unique_by=lambda incident: incident.step))
@settings(max_examples=10)  # each is a file that is synced
def test_whatever_is_written_is_read_back_by_step(tmp_path_factory, incidents: list[Incident]) -> None:  # type: ignore[no-untyped-def]
    shared = str(tmp_path_factory.mktemp("shared"))
    write_incidents(shared, incidents)
    assert read_incidents(shared) == {incident.step: incident for incident in incidents}


def test_they_lie_one_a_line_in_the_order_of_steps(tmp_path: Path) -> None:
    write_incidents(str(tmp_path), [ONE, ONE.model_copy(update={"step": 1, "reason": "two\nlines"})])
    lines = (tmp_path / INCIDENTS).read_text().splitlines()
    assert [Incident.model_validate_json(line).step for line in lines] == [1, 4]


def test_a_training_without_any_has_none(tmp_path: Path) -> None:
    assert read_incidents(str(tmp_path)) == {}
