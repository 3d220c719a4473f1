"""What an account may do on a cluster, asked of the cluster itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from platen.jobs.cluster import Cluster

AUTHORIZATION = "/apis/authorization.k8s.io/v1"


@dataclass(frozen=True)
class Right:
    """Verbs on a resource (`pods/log` is one too), of one object where it is named."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    name: str = ""

    def __str__(self) -> str:
        """As in messages, without the verbs: pytorchjobs.kubeflow.org, deployments.apps/platen-serve."""
        group, name = self.group and f".{self.group}", self.name and f"/{self.name}"
        return f"{self.resource}{group}{name}"


@dataclass(frozen=True)
class Account:
    """A service account that somebody else asks about."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """As in messages: namespace/name."""
        return f"{self.namespace}/{self.name}"

    @property
    def subject(self) -> dict[str, Any]:
        """As a SubjectAccessReview names it."""
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated"]
        return {"user": f"system:serviceaccount:{self.namespace}:{self.name}", "groups": groups}


def may(
    cluster: Cluster,
    verb: str,
    group: str,
    resource: str,
    *,
    name: str = "",
    everywhere: bool = False,
    account: Account | None = None,
) -> bool:
    """Ask whether this account, or the one that is named, has a right in the namespace, or in the whole cluster.

    Raises RefusedError where this account must not ask that of others.
    """
    kind, _, part = resource.partition("/")
    asked = {"verb": verb, "group": group, "resource": kind, "subresource": part, "name": name}
    scope = {} if everywhere else {"namespace": cluster.namespace}
    review = "SelfSubjectAccessReview" if account is None else "SubjectAccessReview"
    spec = {"resourceAttributes": {**asked, **scope}, **(account.subject if account else {})}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": review, "spec": spec}
    return bool(cluster.create(f"{AUTHORIZATION}/{review.lower()}s", body)["status"]["allowed"])


def lacking(cluster: Cluster, rights: Sequence[Right], account: Account | None = None) -> list[str]:
    """List what an account may not do, in words, of what it needs."""
    return [
        f"{verb} {right}"
        for right in rights
        for verb in right.verbs
        if not may(cluster, verb, right.group, right.resource, name=right.name, account=account)
    ]
