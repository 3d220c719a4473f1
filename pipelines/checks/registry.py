"""Every check, in the order in which its findings are told, and who makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from platen.core.errors import ClusterError
from platen.jobs.cluster import AwayError
from platen.pipelines.checks import (
    deployment,
    images,
    jobs,
    manifests,
    models,
    placement,
    quota,
    rights,
    storage,
)
from platen.pipelines.checks.finding import Finding, not_checked
from platen.pipelines.checks.site import Site


@dataclass(frozen=True)
class Check:
    """One check: what it is called, what makes it, and for whom.

    A `slow` one starts pods: it is made only where no other has found anything.
    """

    name: str
    look: Callable[[Site], Iterator[Finding]]
    preflight: bool = True
    doctor: bool = True
    slow: bool = False


CHECKS = (
    Check("namespaces", placement.namespaces, preflight=False),
    Check("accounts", placement.accounts),
    Check("operator", jobs.operator),
    Check("rights of train", rights.of_train),
    Check("rights of deploy", rights.of_deploy),
    Check("queue", jobs.queue),
    Check("quota", quota.check),
    Check("Deployment", deployment.check),
    Check("server", manifests.server, preflight=False),
    Check("manifests", manifests.objects, preflight=False),
    Check("reaper", jobs.reaper, preflight=False),
    Check("Secrets", placement.secrets),
    Check("claims", placement.claims),
    Check("nodes", placement.nodes),
    Check("places", storage.places),
    Check("sources", storage.inputs),
    Check("base model", models.base),
    Check("images of the steps", images.on_nodes, preflight=False),
    Check("images", images.of_steps, doctor=False, slow=True),
    Check("training pod", images.of_training, doctor=False, slow=True),
)


def made(checks: Iterable[Check], site: Site) -> Iterator[Finding]:
    """Make some checks; an item that several of them look at is told once.

    Raises AwayError where the cluster cannot be reached.
    """
    told: set[str] = set()
    for check in checks:
        try:
            for finding in check.look(site):
                if finding.item not in told:
                    told.add(finding.item)
                    yield finding
        except AwayError:
            raise
        except ClusterError as error:
            yield not_checked(check.name, str(error))
