"""Whether Kubeflow Pipelines answers: at the address that is given, else in the cluster."""

from __future__ import annotations

from pathlib import Path

from platen.core.errors import PlatenError
from platen.jobs.cluster import Cluster, RefusedError
from platen.pipelines.checks.finding import Finding, from_error, missing, not_checked, ok
from platen.pipelines.checks.site import must_not

NAMESPACE, PORT = "kubeflow", 8888
INSTALL = (
    'kubectl apply -k "github.com/kubeflow/pipelines/manifests/kustomize/cluster-scoped-resources?ref=2.17.0", then '
    'kubectl apply -k "github.com/kubeflow/pipelines/manifests/kustomize/env/platform-agnostic?ref=2.17.0"'
)


def at_address(host: str, namespace: str | None, token_file: Path | None) -> Finding:
    """Ask at an address, with the credentials that submit would take."""
    from platen.pipelines.backend import connect

    item = f"Kubeflow Pipelines at {host}"
    try:
        backend = connect(host, namespace, token_file)
        backend.once(
            backend.client.experiments.experiment_service_list_experiments, page_size=1, **_within(backend.namespace)
        )
    except PlatenError as error:
        return from_error(item, error, "correct --host, or see docs/submitting.md for how to reach it")
    return ok(item)


def _within(namespace: str | None) -> dict[str, str]:
    return {} if namespace is None else {"namespace": namespace}


def in_cluster(cluster: Cluster) -> Finding:
    """Ask through the API server, which needs no address."""
    item = f"Kubeflow Pipelines in the namespace {NAMESPACE}"
    service = f"/api/v1/namespaces/{NAMESPACE}/services/ml-pipeline"
    try:
        if cluster.get(service) is None:
            return missing(
                item, "there is no Service ml-pipeline", f"{INSTALL}; or --host with its address", user=False
            )
        answer = cluster.get(f"{service.replace('ml-pipeline', f'http:ml-pipeline:{PORT}')}/proxy/apis/v2beta1/healthz")
    except RefusedError as error:
        if must_not(error):
            return not_checked(item, "this account must not look; give --host")
        return missing(item, f"it does not answer ({error})", f"kubectl -n {NAMESPACE} get pods -l app=ml-pipeline")
    return ok(item) if answer is not None else missing(item, "what answers is something else", "give --host")
