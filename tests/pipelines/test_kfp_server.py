"""The server that the tests submit to refuses what kfp_server_api's models do not have."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

RECURRING = {"display_name": "x", "max_concurrency": "1"}


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("runs", {"displayName": "x"}, "run: unknown field 'displayName'"),
        ("runs", {"display_name": 3}, "run.display_name: 3 is no str"),
        ("runs", {"state": "DONE"}, "run.state: 'DONE' is none of"),
        ("runs", {"runtime_config": {"parameters": {}, "root": "x"}}, "run.runtime_config: unknown field 'root'"),
        ("runs", {"runtime_config": "x"}, "run.runtime_config: 'x' is no V2beta1RuntimeConfig"),
        ("runs", {"pipeline_spec": {"root": 3}}, "pipeline_spec: "),
        ("recurringruns", {**RECURRING, "max_concurrency": 1}, "recurring_run.max_concurrency: 1 is no str"),
        ("recurringruns", {**RECURRING, "no_catchup": "yes"}, "recurring_run.no_catchup: 'yes' is no bool"),
        ("recurringruns", {**RECURRING, "trigger": {"cron": "x"}}, "recurring_run.trigger: unknown field 'cron'"),
        ("experiments", {"name": "x"}, "experiment: unknown field 'name'"),
    ],
)
def test_a_body_that_does_not_fit_is_refused(host: str, path: str, body: dict[str, Any], words: str) -> None:
    answer = httpx.post(f"{host}/apis/v2beta1/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(words)


def test_a_parameter_that_is_none_is_refused(host: str) -> None:
    answer = httpx.get(f"{host}/apis/v2beta1/runs", params={"pageSize": "3"})
    assert (answer.status_code, answer.json()["message"]) == (400, "unknown parameter 'pageSize'")
