from __future__ import annotations

import pytest

from platen.artifacts.releases import Release
from platen.components.deploy.cluster_server import previous
from platen.components.deploy.deployment import Model

A, B, C = (Model(f"gs://b/train/{name}", name * 64) for name in "abc")


def release(model: Model) -> Release:
    return Release(model=model.uri, digest=model.digest, report="gs://b/evaluate/x", since="2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("live", "there", "earlier"),
    [
        (A, A, A),
        (A, C, A),
        (A, B, A),
        (A, None, A),
        (None, None, None),
        (None, B, None),
        (None, C, C),
        (B, B, B),
        (B, None, None),
    ],
    ids=[
        "as_it_should_be",
        "a_deploy_of_another_was_killed",
        "a_deploy_of_this_one_was_killed",
        "the_deployment_was_made_anew",
        "the_first_release",
        "the_first_deploy_was_killed",
        "set_by_hand",
        "killed_after_the_pointer_was_switched",
        "released_on_another_machine_before",
    ],
)
def test_what_a_release_of_b_goes_back_to(live: Model | None, there: Model | None, earlier: Model | None) -> None:
    assert previous(release(live) if live else None, there, B) == earlier
