"""The Kubernetes cluster, over its REST interface: plain JSON in and out, refusals in words, short outages waited out.

The objects are dictionaries as in the YAML of the documentation; the official client does connection and credentials.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platen.core.errors import ClusterError, InputError
from platen.core.retry import retry

if TYPE_CHECKING:
    from kubernetes.client import ApiClient
    from urllib3 import HTTPResponse

Object = dict[str, Any]

OWNER = "platen"  # field manager of server-side apply, and the value of the managed-by label
LABELS = {"app.kubernetes.io/managed-by": OWNER, "app.kubernetes.io/part-of": OWNER}
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
PATIENCE = 60.0  # seconds that an API server may be away, for an upgrade of the control plane
ANSWER_SECONDS, STREAM_SECONDS = 30.0, 300.0  # until an answer comes; until a log's next line must have come
TRANSIENT = (429, 500, 502, 503, 504)


class AwayError(ClusterError):
    """The API server could not be reached, or could not answer, for as long as it is waited for."""


class RefusedError(ClusterError):
    """The API server answered with an error; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Cluster:
    """A connection, the namespace that unqualified names are in, and the seconds that the API server may be away."""

    api: ApiClient
    namespace: str
    patience: float = field(default=PATIENCE, kw_only=True)

    def get(self, path: str, **query: str) -> Object | None:
        """An object or a list; None where there is none."""
        try:
            return self.call("GET", path, query=query)
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str, **query: str) -> list[Object]:
        """The items of a list, e.g. with `labelSelector`."""
        found: list[Object] = (self.get(path, **query) or {}).get("items", [])
        return found

    def apply(self, path: str, body: Object, manager: str = OWNER) -> Object:
        """Server-side apply: create the object, or own these fields of it."""
        return self.call("PATCH", path, body, content=APPLY, query={"fieldManager": manager, "force": "true"})

    def merge(self, path: str, body: Object) -> Object:
        """Change some fields of an object that exists."""
        return self.call("PATCH", path, body, content=MERGE, query={"fieldManager": OWNER})

    def create(self, path: str, body: Object) -> Object:
        """Create an object. Raises RefusedError with status 409 where its name is taken."""
        return self.call("POST", path, body, query={"fieldManager": OWNER})

    def delete(self, path: str, *, uid: str | None = None) -> None:
        """Delete an object and what it owns; no error where it is gone, or another (by `uid`) has its name."""
        options: Object = {"propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            self.call("DELETE", path, options)
        except RefusedError as error:
            if error.status not in (404, 409):
                raise

    def stream(self, path: str, **query: str) -> HTTPResponse:
        """An answer that is read as it comes: a log."""
        return self._send("GET", path, None, "application/json", query, patience=STREAM_SECONDS)

    def call(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        content: str = "application/json",
        query: dict[str, str] | None = None,
    ) -> Object:
        """One request, repeated for up to `patience` seconds where the API server is away.

        Raises:
            RefusedError: With its status and the server's words.
            AwayError: It could not be reached.
        """
        return retry(lambda: self._once(method, path, body, content, query or {}), AwayError, self.patience)

    def _once(self, method: str, path: str, body: Object | None, content: str, query: dict[str, str]) -> Object:
        try:
            data = self._send(method, path, body, content, query).data
        except ClusterError as error:
            if isinstance(error, RefusedError) and error.status not in TRANSIENT:
                raise
            raise AwayError(str(error)) from error
        answer: Object = json.loads(data) if data else {}
        return answer

    def _send(
        self,
        method: str,
        path: str,
        body: Object | None,
        content: str,
        query: dict[str, str],
        patience: float = ANSWER_SECONDS,
    ) -> HTTPResponse:
        import urllib3
        from kubernetes.client.exceptions import ApiException

        try:
            answer: HTTPResponse = self.api.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params={"Accept": "*/*", "Content-Type": content},
                body=body,
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                _preload_content=False,
                _request_timeout=(10, patience),
            )
            if patience == ANSWER_SECONDS:
                answer.read(cache_content=True)
        except ApiException as error:
            if not error.status:  # it did not get as far as an answer: TLS
                raise ClusterError(f"Kubernetes cannot be reached ({method} {path}: {error.reason})") from error
            raise RefusedError(error.status, refusal(method, path, error.status, error.body)) from None
        except urllib3.exceptions.HTTPError as error:
            raise ClusterError(f"Kubernetes cannot be reached ({method} {path}: {type(error).__name__})") from error
        return answer


def refusal(method: str, path: str, status: int, body: bytes | str | None) -> str:
    """The API server's words, and for missing rights what to do about them."""
    try:
        said = json.loads(body or b"")["message"]
    except (ValueError, KeyError, TypeError):
        said = f"status {status}"
    hint = "; the rights that Platen needs are in manifests/base/rbac.yaml" if status == 403 else ""
    return f"Kubernetes refused {method} {path}: {said}{hint}"


def connect(namespace: str | None = None) -> Cluster:
    """The cluster this process runs in, else the one that KUBECONFIG (or ~/.kube/config) names.

    Args:
        namespace: Where to work; none: PLATEN_NAMESPACE, the pod's own, the context's, `default`, in this order.

    Raises:
        InputError: There is no cluster to be found.
    """
    from kubernetes import client, config

    inside = "KUBERNETES_SERVICE_HOST" in os.environ and (ACCOUNT / "token").exists()
    settings = client.Configuration()
    try:
        if inside:
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(_kubeconfig(), client_configuration=settings)
    except Exception as error:  # on a file that is none of its own the client raises what it likes
        where = "this pod's service account" if inside else _kubeconfig() or "~/.kube/config"
        raise InputError(
            f"no Kubernetes cluster by {where}: {' '.join(str(error).split())}. "
            "Accepted: a pod with a service account, or KUBECONFIG=FILE"
        ) from None
    settings.retries = False  # waited out here, with words
    chosen = told_namespace(namespace) or (None if inside else _context_namespace())
    return Cluster(client.ApiClient(settings), chosen or "default")


def told_namespace(namespace: str | None = None) -> str | None:
    """The one that is given, that PLATEN_NAMESPACE names, or that this pod is in; None: that of the context."""
    return namespace or os.environ.get("PLATEN_NAMESPACE") or own_namespace()


def own_namespace() -> str | None:
    """The namespace of the pod that this process runs in; None outside of a pod."""
    try:
        return (ACCOUNT / "namespace").read_text().strip()
    except OSError:
        return None


def _kubeconfig() -> str | None:
    """The file as it is named now: the client would take the name that the variable had when it was imported."""
    return os.environ.get("KUBECONFIG") or None


def _context_namespace() -> str | None:
    from kubernetes import config

    _, active = config.list_kube_config_contexts(_kubeconfig())
    namespace: str | None = active.get("context", {}).get("namespace")
    return namespace
