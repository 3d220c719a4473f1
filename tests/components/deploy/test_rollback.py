"""Which release is gone back to. The going back itself: test_stage.py here, and tests/cluster/test_deploy.py."""

from __future__ import annotations

import pytest

from platen.artifacts.releases import Release
from platen.components.deploy.deployment import Model
from platen.components.deploy.rollback import has_strayed

OLDER, EARLIER, LIVE, OTHER = (Model(f"gs://b/train/{name}", name * 64) for name in "abcd")
HISTORY = [
    Release(model=model.uri, digest=model.digest, report="gs://b/evaluate/x", since="2026-01-01T00:00:00+00:00")
    for model in (OLDER, EARLIER, LIVE)
]


@pytest.mark.parametrize(
    ("there", "strayed"),
    [(LIVE, False), (EARLIER, False), (OTHER, True), (OLDER, True), (None, True)],
    ids=["live", "a_rollback_was_killed", "a_deploy_was_killed", "set_by_hand", "made_anew"],
)
def test_a_deployment_has_strayed_where_it_has_neither_the_live_release_nor_the_one_before(
    there: Model | None, strayed: bool
) -> None:
    assert has_strayed(HISTORY, there) is strayed


def test_where_nothing_is_live_there_is_nothing_to_stray_from() -> None:
    assert not has_strayed([], OTHER)
