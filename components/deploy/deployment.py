"""The Deployment that serves: which model is set on it, setting another, and what its pods say.

Only two variables and an annotation are this stage's. They are written by server-side apply under a name of its own, so
that it keeps them whoever applies the manifests, and leaves the rest to these and to the autoscaler.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from platen.components.deploy.deployment_settings import DeploymentSettings
from platen.core.errors import ClusterError, InputError
from platen.core.log_lines import parse_line
from platen.core.storage import is_local
from platen.jobs.cluster import Cluster, Object, connect, own_namespace

MANAGER = "platen-deploy"  # field manager
MODEL, DIGEST = "PLATEN_MODEL", "PLATEN_MODEL_DIGEST"  # what the server reads; another stage is never imported
ANNOTATION = "platen.dev/model"
LOG_LINES = 40  # of a pod that fails, read for its last words
LAST = 3  # of them are told
NO_OUTPUT = "no output"


@dataclass(frozen=True)
class Model:
    """A committed model; two are the same where their digests are."""

    uri: str = field(compare=False)
    digest: str

    def __str__(self) -> str:
        """As in logs."""
        return f"{self.uri} ({self.digest[:12]})"


def model_at(uri: str, digest: str) -> Model:
    """A committed model as pods reach it: a local path is taken for that of a volume that they mount at the same."""
    return Model(str(Path(uri).absolute()) if is_local(uri) else uri, digest)


@dataclass(frozen=True)
class Deployment:
    """The Deployment that `settings` name, on a cluster."""

    cluster: Cluster
    settings: DeploymentSettings

    def __str__(self) -> str:
        """As in logs: namespace/name."""
        return f"{self.cluster.namespace}/{self.settings.name}"

    @property
    def path(self) -> str:
        """Its address on the API server."""
        return f"/apis/apps/v1/namespaces/{self.cluster.namespace}/deployments/{self.settings.name}"

    def get(self) -> Object:
        """As the API server has it. Raises InputError where it or its container is not there."""
        seen = self.cluster.get(self.path)
        if seen is None:
            raise InputError(f"deploy.deployment: there is no Deployment {self}; apply the manifests first")
        names = [container["name"] for container in containers(seen["spec"]["template"]["spec"])]
        if self.settings.container not in names:
            raise InputError(
                f"deploy.deployment.container: {self.settings.container!r} is not in the Deployment {self}. "
                f"Accepted: {', '.join(names)}"
            )
        return seen

    def model(self, seen: Object | None = None) -> Model | None:
        """The model that is set on it; None where there is none."""
        return self.model_in((seen or self.get())["spec"]["template"]["spec"])

    def model_in(self, pod: Object) -> Model | None:
        """The model that is set on the spec of a pod."""
        mine = next((entry for entry in containers(pod) if entry["name"] == self.settings.container), {})
        values = {entry["name"]: entry.get("value", "") for entry in mine.get("env", [])}
        return Model(values.get(MODEL, ""), values[DIGEST]) if values.get(DIGEST) else None

    def set(self, model: Model | None) -> None:
        """Set a model, or none."""
        self.cluster.apply(self.path, self.body(model), MANAGER)

    def stop(self) -> None:
        """Have no pods, and no model set; `set` brings pods back, one until the autoscaler says more."""
        self.cluster.apply(self.path, {**self.body(None), "spec": {"replicas": 0}}, MANAGER)

    def body(self, model: Model | None) -> Object:
        """What this stage says of the Deployment: all else is left to others, and what it said before is withdrawn."""
        body: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": self.settings.name}}
        if model is not None:
            variables = [{"name": MODEL, "value": model.uri}, {"name": DIGEST, "value": model.digest}]
            container = {"name": self.settings.container, "env": variables}
            body["metadata"]["annotations"] = {ANNOTATION: model.uri}
            body["spec"] = {"template": {"spec": {"containers": [container]}}}
        return body

    def pods(self, model: Model | None) -> list[Object]:
        """Its pods that have this model set, but for those that are on their way out."""
        labels = self.get()["spec"]["selector"].get("matchLabels", {})
        chosen = ",".join(f"{name}={value}" for name, value in labels.items())
        found = self.cluster.items(f"/api/v1/namespaces/{self.cluster.namespace}/pods", labelSelector=chosen)
        alive = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        return [pod for pod in alive if self.model_in(pod["spec"]) == model]

    def last_words(self, pod: str, *, previous: bool) -> str:
        """What a pod's server said last, in the log of the container that runs or of the one before it."""
        path = f"/api/v1/namespaces/{self.cluster.namespace}/pods/{pod}/log"
        query = {"container": self.settings.container, "tailLines": str(LOG_LINES)}
        try:
            answer = self.cluster.stream(path, **query, **({"previous": "true"} if previous else {}))
            return last_words(answer.read().decode(errors="replace").splitlines())
        except ClusterError as error:
            return f"its log cannot be read ({error})"

    def url(self) -> str:
        """Where the Service is reached from here. Raises InputError where there is none, or it has no address."""
        if self.settings.url is not None:
            return self.settings.url
        name, namespace = self.settings.service, self.cluster.namespace
        service = self.cluster.get(f"/api/v1/namespaces/{namespace}/services/{name}")
        if service is None:
            raise InputError(f"deploy.deployment.service: there is no Service {namespace}/{name}; apply the manifests")
        ports = service["spec"].get("ports", [])
        port = next((entry for entry in ports if entry.get("name") == "http"), ports[0])["port"]
        host = f"{name}.{namespace}.svc" if own_namespace() else service["spec"].get("clusterIP", "None")
        if host == "None":
            raise InputError(
                f"deploy.deployment.url: the Service {namespace}/{name} has no cluster IP; set its address"
            )
        return f"http://{host}:{port}"


def open_deployment(settings: DeploymentSettings) -> Deployment:
    """The Deployment that the settings name, on the cluster that is found here."""
    return Deployment(connect(settings.namespace), settings)


def containers(pod: Object) -> list[Object]:
    """The containers of a pod's spec."""
    found: list[Object] = pod["containers"]
    return found


def last_words(lines: list[str]) -> str:
    """The errors among the last lines of a server's log, else the last lines themselves."""
    told = [parse_line(line) for line in lines]
    errors = [line for line in told if line.level == logging.ERROR]
    return " | ".join([line.message for line in errors or told][-LAST:]) or NO_OUTPUT
