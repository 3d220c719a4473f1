"""The rights that a release takes are those that the committed Role gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from platen.components.deploy.deployment_settings import DeploymentSettings
from platen.components.deploy.rights import needed

ROOT = Path(__file__).parents[3]


def allowed(rule: dict[str, Any], group: str, resource: str, verb: str, name: str) -> bool:
    named = rule.get("resourceNames")
    return (
        group in rule["apiGroups"]
        and resource in rule["resources"]
        and verb in rule["verbs"]
        and (named is None or name in named)
    )


def test_the_committed_role_has_each_of_them() -> None:
    documents = list(yaml.safe_load_all((ROOT / "manifests" / "base" / "rbac.yaml").read_text()))
    rules = [rule for each in documents if each and each["kind"] == "Role" for rule in each["rules"]]
    for right in needed(DeploymentSettings()):
        for verb in right.verbs:
            assert any(allowed(rule, right.group, right.resource, verb, right.name) for rule in rules), (right, verb)


def test_rights_are_asked_for_by_the_names_of_the_settings() -> None:
    chosen = DeploymentSettings(name="mine", service="door")
    assert {str(right) for right in needed(chosen)} == {"deployments.apps/mine", "services/door", "pods", "pods/log"}


def test_with_an_address_no_service_is_looked_up() -> None:
    chosen = DeploymentSettings(url="http://localhost:8080")
    assert not [right for right in needed(chosen) if right.resource == "services"]
