"""What is made of a place that cannot be asked for: only one that must be written is surely a fault."""

from __future__ import annotations

import pytest

from platen.core.errors import StorageError
from platen.pipelines.checks import storage
from tests.pipelines.checks.sites import site


def refused(uri: str) -> bool:
    raise StorageError(f"{uri}: no permission (storage.objects.list)")


def test_a_source_that_cannot_be_looked_at_is_left_to_the_stage_that_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "exists", refused)
    findings = list(storage.inputs(site("generate: {prompts: 'gs://b/prompts.txt'}")))
    assert [finding.state for finding in findings if "prompts" in finding.item] == ["not checked"]


def test_a_workspace_that_cannot_be_written_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "try_writing", refused)
    findings = list(storage.places(site()))
    assert [(finding.state, finding.fatal) for finding in findings] == [("missing", True)] * 2
