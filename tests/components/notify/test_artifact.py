"""A report that could not be made is explained by its artifact."""

from __future__ import annotations

from pathlib import Path

import pytest

from platen.components.notify.artifact import explained
from platen.core.errors import InputError


def test_whatever_stops_notify_is_explained_by_the_artifact(tmp_path: Path) -> None:
    artifact = tmp_path / "task" / "report"
    with pytest.raises(InputError), explained(str(artifact)):
        raise InputError("/runs/<1>: no such folder")
    assert "InputError: /runs/&lt;1&gt;: no such folder" in artifact.read_text()
    artifact.write_text("the report")
    with pytest.raises(InputError), explained(str(artifact)):
        raise InputError("the summary cannot be written")
    assert artifact.read_text() == "the report"
