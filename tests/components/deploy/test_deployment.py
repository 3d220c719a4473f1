from __future__ import annotations

import json

import pytest

from platen.components.deploy.deployment import Model, last_words, model_at
from platen.components.deploy.deployment_settings import DeploymentSettings
from platen.core.errors import SettingsError
from platen.core.settings import build
from tests.components.deploy.objects import deployment, pod_spec

MODEL = Model("gs://b/ws/train/abc", "d" * 64)


def test_only_what_is_deploy_s_own_is_applied() -> None:
    assert deployment(name="mine", container="it").body(MODEL) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "mine", "annotations": {"platen.dev/model": "gs://b/ws/train/abc"}},
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "it",
                            "env": [
                                {"name": "PLATEN_MODEL", "value": "gs://b/ws/train/abc"},
                                {"name": "PLATEN_MODEL_DIGEST", "value": "d" * 64},
                            ],
                        }
                    ]
                }
            }
        },
    }


def test_without_a_model_all_of_it_is_withdrawn() -> None:
    assert deployment().body(None) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "platen-serve"},
    }


def test_the_model_of_a_pod_is_read_from_its_server() -> None:
    set_up = pod_spec(PLATEN_MODEL=MODEL.uri, PLATEN_MODEL_DIGEST=MODEL.digest)
    assert deployment().model_in(set_up) == MODEL
    assert deployment().model_in(pod_spec()) is None
    assert deployment(container="other").model_in(set_up) is None


def test_models_are_told_apart_by_their_digests() -> None:
    assert model_at("runs/workspace/train/abc", MODEL.digest) == MODEL
    assert Model(MODEL.uri, "e" * 64) != MODEL
    assert model_at(MODEL.uri, MODEL.digest).uri == MODEL.uri
    assert model_at("ws/train/abc", MODEL.digest).uri.startswith("/")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "no output"),
        (["Traceback", "ValueError: x"], "Traceback | ValueError: x"),
        (
            [json.dumps({"level": level, "message": f"{level} {i}"}) for i, level in enumerate(("error", "info"))],
            "error 0",
        ),
        ([json.dumps({"level": "info", "message": str(i)}) for i in range(9)], "6 | 7 | 8"),
    ],
    ids=["none", "not_json", "an_error_among_others", "many"],
)
def test_the_last_words_of_a_server_are_its_errors_or_else_its_last_lines(lines: list[str], words: str) -> None:
    assert last_words(lines) == words


@pytest.mark.parametrize(("field", "value"), [("name", "Platen_Serve"), ("url", "platen-serve:80"), ("namespace", "")])
def test_names_that_kubernetes_refuses_are_refused_before(field: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"deploy\.deployment\.{field}"):
        build(DeploymentSettings, {field: value}, prefix="deploy.deployment")
