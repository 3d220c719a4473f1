"""Whether the quota of the namespace can ever hold the training job."""

from __future__ import annotations

from collections.abc import Iterator

from platen.jobs.preflight import quota_use, quotas, shortage
from platen.pipelines.checks.finding import Finding, missing, not_checked, ok
from platen.pipelines.checks.site import Site, look


def check(site: Site) -> Iterator[Finding]:
    """Look at every quota. Room that others use now may be free when training starts, which looks again itself."""
    cluster, job = site.jobs, site.job
    if cluster is None or job is None:
        return
    item = f"quota of the namespace {cluster.namespace}"
    if site.settings is not None and site.settings.plan.use:
        yield not_checked(item, "the plan decides what the job asks for; train looks")
        return
    seen = look(cluster, item, f"/api/v1/namespaces/{cluster.namespace}/resourcequotas")
    if isinstance(seen, Finding):
        yield seen
        return
    wanted, held = quota_use(job), quotas(cluster)
    for name, quota in held:
        hard = {"hard": quota["spec"].get("hard", {})}
        never, now = shortage(wanted, hard), shortage(wanted, quota.get("status", {}))
        if never:
            fix = f"ask for less in train.job, or: kubectl -n {cluster.namespace} edit resourcequota {name}"
            yield missing(item, f"{name} is too small for the job: {'; '.join(never)}", fix)
        elif now:
            yield not_checked(item, f"{name} has no room now: {'; '.join(now)}; train looks again before it starts")
        else:
            yield ok(item, name)
    if not held:
        yield ok(item, "there is none")
