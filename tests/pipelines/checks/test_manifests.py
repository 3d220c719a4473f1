"""Whether the steps' account is bound to the Role, seen by somebody who must not ask for the rights of others."""

from __future__ import annotations

from typing import Any

import pytest

from platen.jobs.cluster import Object
from platen.jobs.rights import Account
from platen.pipelines.checks.finding import Finding
from platen.pipelines.checks.manifests import objects
from tests.fake_cluster import FakeCluster
from tests.pipelines.checks.sites import site

STEPS = Account("kubeflow", "pipeline-runner")
ITSELF = {"kind": "ServiceAccount", "name": "pipeline-runner", "namespace": "kubeflow"}
OTHER = {**ITSELF, "namespace": "platen"}
GROUP = {"kind": "Group", "name": "system:serviceaccounts:kubeflow"}
USER = {"kind": "User", "name": "system:serviceaccount:kubeflow:pipeline-runner"}
ALL = {"kind": "Group", "name": "system:authenticated"}


def binding(subject: Any, role: str = "platen-pipeline") -> Object:
    return {"metadata": {"name": "b"}, "roleRef": {"name": role}, "subjects": [subject]}


def seen(inside: list[Object], everywhere: list[Object] | int, *, may_ask: bool = False) -> list[Finding]:
    """What is said of bindings; `everywhere` a status: this account must not list ClusterRoleBindings."""

    def answer(method: str, path: str, body: Object) -> Object | int:
        if path.endswith("selfsubjectaccessreviews"):
            return {"status": {"allowed": may_ask}}
        if path.endswith("/clusterrolebindings"):
            return everywhere if isinstance(everywhere, int) else {"items": everywhere}
        return {"items": inside} if path.endswith("/rolebindings") else {}

    cluster = FakeCluster(answer=answer)
    found = objects(site("train: {ranks: 2, job: {}}", cluster, inside=False, account=STEPS))
    return [finding for finding in found if finding.item.startswith("RoleBinding")]


@pytest.mark.parametrize(
    ("inside", "everywhere", "state"),
    [
        ([binding(OTHER), binding(ITSELF)], [], "ok"),
        ([binding(GROUP)], [], "ok"),
        ([binding(USER)], 403, "ok"),
        ([binding(OTHER)], [binding(ITSELF, "edit")], "not checked"),
        ([binding(OTHER)], 403, "not checked"),
        ([binding(OTHER)], [binding(ALL, "system:basic-user")], "missing"),
    ],
    ids=["another_binding", "group", "user", "another_role", "unseen", "none"],
)
def test_any_binding_will_do(inside: list[Object], everywhere: Any, state: str) -> None:
    (found,) = seen(inside, everywhere)
    assert found.state == state
    if state == "missing":
        wanted = "create rolebinding platen-steps --role=platen-pipeline --serviceaccount=kubeflow:pipeline-runner"
        assert wanted in found.fix
        assert "patch" not in found.fix


def test_whoever_may_ask_for_rights_need_not_look_at_bindings() -> None:
    assert seen([binding(OTHER)], [], may_ask=True) == []
