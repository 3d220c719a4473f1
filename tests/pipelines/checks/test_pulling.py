"""Which words of the kubelet mean that an image will never be there; they are those of a real cluster."""

from __future__ import annotations

from typing import Any

import pytest

from platen.pipelines.checks.pulling import is_there, pull_faults

NOT_FOUND = (
    'Back-off pulling image "r.example/platen/gate:9": ErrImagePull: rpc error: code = NotFound desc = failed to pull '
    "and unpack image: r.example/platen/gate:9: not found"
)
NO_NETWORK = (
    'failed to pull and unpack image "registry.invalid/a:1": failed to resolve reference: failed to do request: '
    'Head "https://registry.invalid/v2/a/manifests/1": dial tcp: lookup registry.invalid: no such host'
)
OTHER_PLATFORM = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "r.example/platen/gate:9": no match for '
    "platform in manifest: not found"
)


def pod(reason: str, message: str) -> Any:
    entry = {"image": "a:1", "imageID": "", "state": {"waiting": {"reason": reason, "message": message}}}
    return {"status": {"containerStatuses": [entry]}}


@pytest.mark.parametrize(
    ("reason", "message", "final"),
    [
        ("ImagePullBackOff", NOT_FOUND, True),
        ("ErrImagePull", "pull access denied, repository does not exist or may require authorization", True),
        ("ErrImagePull", "failed to authorize: 401 Unauthorized", True),
        ("InvalidImageName", "couldn't parse image name", True),
        ("ErrImageNeverPull", "", True),
        ("ErrImagePull", NO_NETWORK, False),
        ("ErrImagePull", "503 Service Unavailable", False),
        ("ErrImagePull", OTHER_PLATFORM, False),
    ],
    ids=["not_found", "denied", "unauthorized", "invalid", "never", "no_network", "registry_away", "other_platform"],
)
def test_only_what_cannot_go_away_is_final(reason: str, message: str, final: bool) -> None:
    (fault,) = pull_faults(pod(reason, message)).values()
    assert fault.final is final
    assert reason in fault.words


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "CrashLoopBackOff"])
def test_a_pod_that_waits_for_something_else_has_no_fault(reason: str) -> None:
    assert pull_faults(pod(reason, "")) == {}


def test_an_image_is_there_once_its_container_has_started_or_failed_of_something_else() -> None:
    assert is_there({"state": {"running": {}}})
    assert is_there({"state": {"terminated": {"exitCode": 1}}})
    assert is_there({"state": {"waiting": {"reason": "CreateContainerError"}}, "imageID": "sha256:1"})
    assert not is_there({"state": {"waiting": {"reason": "ContainerCreating"}}, "imageID": ""})
    assert pull_faults({"status": {}}) == {}
