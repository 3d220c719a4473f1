"""`platen doctor` on a real cluster: a site without a fault passes, and each planted fault is found, with its fix."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from platen.core.manifest import canonical, sha256
from platen.core.settings import over, parse
from platen.core.storage import store_for
from platen.jobs.cluster import APPLY, MERGE, Cluster
from platen.pipelines.cluster_settings import ClusterSettings
from platen.pipelines.tasks import Target
from tests.cluster.accounts import kubeconfig_of
from tests.cluster.manifests import apply, kind_overlay
from tests.cluster.training import quota
from tests.cluster.waiting import wait_until
from tests.pipelines.compiled import write_compiled
from tests.pipelines.kfp_server import kfp_server

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

AT_LEAST = 12  # planted faults that must be found
FOUND: set[str] = set()
APPS, CORE = "/apis/apps/v1/namespaces/{0}", "/api/v1/namespaces/{0}"
RBAC, BATCH = "/apis/rbac.authorization.k8s.io/v1/namespaces/{0}", "/apis/batch/v1/namespaces/{0}"


@dataclass(frozen=True)
class Line:
    """One item of the doctor's answer."""

    state: str
    text: str
    fix: str


@dataclass
class Answer:
    code: int
    lines: list[Line]
    text: str

    def missing(self) -> list[Line]:
        return [line for line in self.lines if line.state == "missing"]


@dataclass(frozen=True)
class Site:
    """The kind overlay in a namespace that steps and server share, a bucket, and Kubeflow Pipelines that answers."""

    cluster: Cluster
    overlay: Path
    bucket: str
    folder: Path
    host: str

    def settings(self) -> dict[str, Any]:
        return {
            "workspace": f"{self.bucket}/ws",
            "run": f"{self.bucket}/runs",
            "ingest": {"folder": f"{self.bucket}/pictures"},
            "generate": {"prompts": f"{self.bucket}/prompts.txt"},
            "train": {"job": {"nodes": 2, "cpu": "100m", "memory": "256Mi", "secret_env": {"TOKEN": "hub/token"}}},
            "deploy": {"deployment": {"namespace": self.cluster.namespace}},
        }

    def pods(self) -> dict[str, Any]:
        """The cluster file: what steps ask for."""
        small = {"cpu": "10m", "memory": "64Mi", "shm": None}
        stages = ("base", "encode", "plan", "train", "generate", "evaluate")
        return {
            "secret_env": {"HF_TOKEN": "hub/token"},
            "image_pull_secrets": ["registry"],
            "secret_files": {"webhook": "/etc/webhook"},
            "volumes": {"platen-workspace": "/workspace"},
            **dict.fromkeys(stages, small),
        }

    def doctor(
        self,
        settings: Mapping[str, Any] = {},
        pods: Mapping[str, Any] = {},
        options: Sequence[str] = (),
        kubeconfig: str | None = None,
    ) -> Answer:
        (self.folder / "my.yaml").write_text(yaml.safe_dump(over(self.settings(), settings)))
        compiled = self.folder / (sha256(canonical(pods))[:8] if pods else "compiled")
        if not compiled.exists():
            compiled.mkdir()
            chosen = parse(ClusterSettings, yaml.safe_dump(over(self.pods(), pods)))
            write_compiled(compiled, Target(cluster=chosen))
        command = [sys.executable, "-m", "platen.cli", "doctor", "--settings", str(self.folder / "my.yaml")]
        command += ["--compiled", str(compiled), "--namespace", self.cluster.namespace]
        command += ["--host", self.host, *options]
        environment = {**os.environ, **({"KUBECONFIG": kubeconfig} if kubeconfig else {})}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return Answer(done.returncode, read(done.stdout), done.stdout + done.stderr)

    def restore(self) -> None:
        """Everything as the overlay has it, and no pod of the server."""
        apply(self.overlay)
        self.merge(BATCH, "cronjobs/platen-reap", {"spec": {"suspend": False}})  # a field that the overlay leaves alone
        pods = CORE.format(self.cluster.namespace) + "/pods"
        wait_until(lambda: not self.cluster.items(pods, labelSelector="app.kubernetes.io/name=platen-serve"))
        self.secret("hub", {"token": "aGY="})
        self.secret("registry", {".dockerconfigjson": "e30="}, "kubernetes.io/dockerconfigjson")
        self.secret("webhook", {"url": "aGk="})

    def secret(self, name: str, data: dict[str, str], kind: str = "Opaque") -> None:
        path = f"{CORE.format(self.cluster.namespace)}/secrets/{name}"
        self.cluster.delete(path)
        body = {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": {"name": name}, "data": data}
        self.cluster.call("PATCH", path, body, content=APPLY, query={"fieldManager": "test"})

    def delete(self, base: str, path: str) -> None:
        self.cluster.delete(f"{base.format(self.cluster.namespace)}/{path}")

    def merge(self, base: str, path: str, body: dict[str, Any], content: str = MERGE) -> None:
        self.cluster.call("PATCH", f"{base.format(self.cluster.namespace)}/{path}", body, content=content)


def read(printed: str) -> list[Line]:
    """The items of an answer, each with its fix."""
    lines: list[Line] = []
    for text in printed.splitlines():
        state, rest = text[:13].strip(), text[13:]
        if state:
            lines.append(Line(state, rest, ""))
        elif rest.startswith("fix: "):
            lines[-1] = Line(lines[-1].state, lines[-1].text, rest.removeprefix("fix: "))
    assert re.fullmatch(r"\d+ ok, \d+ missing, \d+ not checked", printed.splitlines()[-1])
    return lines[:-1]


@pytest.fixture(scope="module")
def site(cluster: Cluster, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("doctor")
    store = store_for(bucket)
    store.write(f"{bucket}/prompts.txt", b"a red circle")
    store.write(f"{bucket}/pictures/a.txt", b"a red circle")
    storage = {"PLATEN_WORKSPACE": f"{bucket}/ws", "STORAGE_EMULATOR_HOST": os.environ["STORAGE_EMULATOR_HOST"]}
    overlaid = kind_overlay(cluster, folder / "manifests", storage, serving=False)
    with overlaid as (own, overlay), kfp_server() as (host, _):
        made = Site(own, overlay, bucket, folder, host)
        made.restore()
        yield made


def test_a_site_without_a_fault_passes(site: Site) -> None:
    answer = site.doctor()
    assert (answer.missing(), answer.code) == ([], 0), answer.text
    namespace = site.cluster.namespace
    for item in ("rights of train", "rights of deploy", f"Deployment {namespace}/platen-serve", "training operator"):
        assert any(line.state == "ok" and line.text.startswith(item) for line in answer.lines), answer.text


def test_it_is_all_the_same_which_binding_gives_the_rights(site: Site) -> None:
    """As the binding of the kind overlay for steps in Kubeflow's namespace, or one for a group."""
    other_subject(site)
    base = RBAC.format(site.cluster.namespace)
    group = {"kind": "Group", "name": f"system:serviceaccounts:{site.cluster.namespace}"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "platen-pipeline"}
    body = {"metadata": {"name": "steps"}, "roleRef": role, "subjects": [group]}
    try:
        site.cluster.create(f"{base}/rolebindings", body)
        answer = site.doctor()
    finally:
        site.cluster.delete(f"{base}/rolebindings/steps")
        site.restore()
    assert (answer.missing(), answer.code) == ([], 0), answer.text


def test_with_a_kubeconfig_alone_it_looks_for_what_any_run_needs(site: Site) -> None:
    command = [sys.executable, "-m", "platen.cli", "doctor", "--namespace", site.cluster.namespace]
    done = subprocess.run([*command, "--host", site.host], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "workspace" not in done.stdout.replace("platen-workspace", "")
    through = subprocess.run(command, capture_output=True, text=True, check=False)  # through the API server
    assert "Kubeflow Pipelines in the namespace kubeflow" in through.stdout


def test_who_must_not_look_is_told_so_and_not_that_things_are_missing(site: Site, tmp_path: Path) -> None:
    answer = site.doctor(kubeconfig=str(kubeconfig_of(site.cluster, "platen-reap", tmp_path)))
    assert (answer.missing(), answer.code) == ([], 0), answer.text
    states = {line.text.partition(":")[0]: line.state for line in answer.lines}
    assert states[f"rights of train in the namespace {site.cluster.namespace}"] == "not checked"
    assert sum(state == "not checked" for state in states.values()) > 10


def test_it_needs_no_right_to_write(site: Site, tmp_path: Path) -> None:
    """With the cluster's own role `view` and nothing else it finds a fault as an administrator does."""
    name, base = "doctor-view", RBAC.format(site.cluster.namespace)
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": site.cluster.namespace}
    body = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
    site.cluster.create(f"{base}/rolebindings", body)
    answer = site.doctor(
        {"deploy": {"deployment": {"container": "server"}}},
        kubeconfig=str(kubeconfig_of(site.cluster, "default", tmp_path)),
    )
    site.cluster.delete(f"{base}/rolebindings/{name}")
    assert answer.code == 2
    assert ["'server' is not in the Deployment" in line.text for line in answer.missing()] == [True], answer.text


@dataclass(frozen=True)
class Fault:
    """A planted fault, and what must be said of it: words of the item's line, words of its fix.

    `also`: items that are missing because of it.
    """

    name: str
    words: str
    fix: str
    plant: Callable[[Site], None] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    pods: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    also: str = "nothing else"


def without_verb(resource: str, verb: str) -> Callable[[Site], None]:
    """Take a verb out of the Role of the steps."""

    def plant(site: Site) -> None:
        path = f"{RBAC.format(site.cluster.namespace)}/roles/platen-pipeline"
        rules = (site.cluster.get(path) or {})["rules"]
        for rule in rules:
            if rule["resources"] == [resource]:
                rule["verbs"].remove(verb)
        site.merge(RBAC, "roles/platen-pipeline", {"rules": rules})

    return plant


def gone(base: str, path: str) -> Callable[[Site], None]:
    return lambda site: site.delete(base, path)


def other_subject(site: Site) -> None:
    subjects = [{"kind": "ServiceAccount", "name": "pipeline-runner", "namespace": "kubeflow"}]
    site.merge(RBAC, "rolebindings/platen-pipeline", {"subjects": subjects})


def unpullable_server(site: Site) -> None:
    container = {"name": "serve", "image": "registry.invalid/platen/serve:none"}
    body = {"spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}}}
    site.merge(APPS, "deployments/platen-serve", body, "application/strategic-merge-patch+json")

    def is_stuck() -> bool:
        place = f"{CORE.format(site.cluster.namespace)}/pods"
        pods = site.cluster.items(place, labelSelector="app.kubernetes.io/name=platen-serve")
        states = [entry["state"] for pod in pods for entry in pod["status"].get("containerStatuses", [])]
        return any("Pull" in state.get("waiting", {}).get("reason", "") for state in states)

    wait_until(is_stuck, otherwise="no pod of the server tried to pull its image")


def storage_settings_gone(site: Site) -> None:
    for entry in site.cluster.items(f"{CORE.format(site.cluster.namespace)}/configmaps"):
        if entry["metadata"]["name"].startswith("platen-storage"):
            site.delete(CORE, f"configmaps/{entry['metadata']['name']}")


def claim_without_class(site: Site) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "scratch"}, "spec": spec}
    site.cluster.apply(f"{CORE.format(site.cluster.namespace)}/persistentvolumeclaims/scratch", body)


FAULTS = (
    Fault("namespace_missing", r"namespace nowhere-\w+ .*: there is none", "kubectl create namespace nowhere-",
          options=("--namespace", "nowhere-1a2b"), also=".*"),
    Fault("account_of_the_steps_missing", r"ServiceAccount \S+/pipeline-runner: there is none",
          "kubectl -n .* create serviceaccount pipeline-runner", gone(CORE, "serviceaccounts/pipeline-runner")),
    Fault("right_of_train_missing", r"rights of train .*pipeline-runner may not create pytorchjobs.kubeflow.org$",
          "create rolebinding .*--serviceaccount=", without_verb("pytorchjobs", "create")),
    Fault("right_of_deploy_missing", r"rights of deploy .*pipeline-runner may not patch deployments.apps/platen-serve$",
          "create rolebinding .*--serviceaccount=", without_verb("deployments", "patch")),
    Fault("subject_in_another_namespace", r"rights of (train|deploy) .*: the account \S+/pipeline-runner may not",
          r"create rolebinding \S+ --role=platen-pipeline --serviceaccount=platen-test-\w+:pipeline-runner",
          other_subject),
    Fault("role_missing", r"Role \S+/platen-pipeline: there is none", "kubectl apply -k",
          gone(RBAC, "roles/platen-pipeline"), also="rights of"),
    Fault("deployment_missing", "there is no Deployment .*/platen-serve", "kubectl apply -k",
          gone(APPS, "deployments/platen-serve")),
    Fault("deployment_in_another_namespace", "there is no Deployment default/platen-serve",
          "deploy.deployment.namespace: .*platen-test", settings={"deploy": {"deployment": {"namespace": "default"}}},
          also="rights of deploy|Role|NetworkPolicy|ServiceAccount default/"),
    Fault("no_deployment_named", "deploy.deployment: not set", "", settings={"deploy": {"deployment": None}}),
    Fault("container_renamed", "'server' is not in the Deployment", "set deploy.deployment.container",
          settings={"deploy": {"deployment": {"container": "server"}}}),
    Fault("service_missing", "there is no Service .*/platen-serve", "kubectl apply -k",
          gone(CORE, "services/platen-serve")),
    Fault("storage_settings_missing", r"ConfigMap \S+/platen-storage-\w+ \(of the server\): there is none",
          "kubectl apply -k", storage_settings_gone),
    Fault("account_of_training_missing", r"ServiceAccount \S+/platen-train: there is none", "kubectl apply -k",
          gone(CORE, "serviceaccounts/platen-train")),
    Fault("network_policy_missing", r"NetworkPolicy \S+/platen-default: there is none", "kubectl apply -k",
          gone("/apis/networking.k8s.io/v1/namespaces/{0}", "networkpolicies/platen-default")),
    Fault("claim_missing", r"PersistentVolumeClaim \S+/pictures: there is none", "make the claim pictures",
          pods={"volumes": {"pictures": "/pictures"}}),
    Fault("claim_of_no_class", r"PersistentVolumeClaim \S+/scratch: it waits for the StorageClass fast",
          "name one of", claim_without_class, pods={"volumes": {"scratch": "/more"}}),
    Fault("secret_missing", r"Secret \S+/hub: there is none", "create secret generic hub --from-literal=token=VALUE",
          gone(CORE, "secrets/hub")),
    Fault("secret_without_its_key", r"Secret \S+/hub: it has no key token", 'patch secret hub .*"token"',
          lambda site: site.secret("hub", {"other": "aGY="})),
    Fault("pull_secret_missing", r"Secret \S+/registry \(to pull images\): there is none",
          "create secret docker-registry registry", gone(CORE, "secrets/registry")),
    Fault("webhook_secret_missing", r"Secret \S+/webhook: there is none", "create secret",
          gone(CORE, "secrets/webhook")),
    Fault("bucket_missing", "workspace gs://platen-no-such-bucket/ws: .*no such bucket",
          "gcloud storage buckets create gs://platen-no-such-bucket",
          settings={"workspace": "gs://platen-no-such-bucket/ws"}),
    Fault("prompts_missing", "generate.prompts gs://.*/none.txt: there is nothing", "put it there",
          settings={"generate": {"prompts": "{bucket}/none.txt"}}),
    Fault("source_on_this_machine", "ingest.folder .*is on this machine, which pods do not see", "",
          settings={"ingest": {"folder": "pictures"}}),
    Fault("gpu_type_on_no_node", "a node for training: no node has .*nvidia.com/gpu.product=NVIDIA-B300",
          "add such nodes",
          settings={"train": {"job": {"gpu": "nvidia.com/gpu", "gpu_type": "NVIDIA-B300"}}}),
    Fault("step_larger_than_any_node", "a node for encode: no node has cpu 9000", "add such nodes",
          pods={"encode": {"cpu": "9000"}}),
    Fault("queue_missing", r"queue of Kueue \S+/research: (this cluster has no Kueue|there is none)",
          "Kueue.*train.job.kueue_queue|LocalQueue research", settings={"train": {"job": {"kueue_queue": "research"}}}),
    Fault("priority_class_missing", "PriorityClass gold: there is none", "train.job.priority_class",
          settings={"train": {"job": {"priority_class": "gold"}}}),
    Fault("reaper_missing", r"CronJob \S+/platen-reap: there is none", "kubectl apply -k",
          gone(BATCH, "cronjobs/platen-reap")),
    Fault("reaper_suspended", r"CronJob \S+/platen-reap: it is suspended", "kubectl -n .* patch cronjob platen-reap",
          lambda site: site.merge(BATCH, "cronjobs/platen-reap", {"spec": {"suspend": True}})),
    Fault("server_image_cannot_be_pulled", r"image of \S+/platen-serve: .*registry.invalid/platen/serve:none.*Pull",
          "push registry.invalid/platen/serve:none", unpullable_server),
    Fault("kubeflow_pipelines_away", "Kubeflow Pipelines at http://127.0.0.1:1: .*cannot be reached", "correct --host",
          options=("--host", "http://127.0.0.1:1")),
)  # fmt: skip
# Planted apart from the others, because they would hide some of them, or be hidden.
APART = (
    ("subject_in_another_namespace", "secret_without_its_key", "reaper_suspended", "server_image_cannot_be_pulled"),
    ("role_missing", "container_renamed"),
    ("deployment_missing",),
    ("deployment_in_another_namespace",),
    ("no_deployment_named",),
    ("namespace_missing",),
)


@contextmanager
def planted(site: Site, faults: Sequence[Fault]) -> Iterator[None]:
    """The site with faults."""
    plants = [fault.plant for fault in faults if fault.plant is not None]
    try:
        for plant in plants:
            plant(site)
        yield
    finally:
        if plants:
            site.restore()


def answer_with(site: Site, faults: Sequence[Fault]) -> Answer:
    """What the doctor says while the faults are there."""
    settings, pods, options = dict[str, Any](), dict[str, Any](), list[str]()
    for fault in faults:
        settings, pods = over(settings, fault.settings), over(pods, fault.pods)
        options += fault.options
    settings = yaml.safe_load(yaml.safe_dump(settings).replace("{bucket}", site.bucket))
    with planted(site, faults):
        return site.doctor(settings, pods, options)


def at_once() -> Iterator[Any]:
    """Faults to plant together: with each, the cluster is put in order again and the doctor looks for seconds."""
    apart = {name for names in APART for name in names}
    for names in (tuple(fault.name for fault in FAULTS if fault.name not in apart), *APART):
        faults = tuple(fault for fault in FAULTS if fault.name in names)
        yield pytest.param(faults, id=f"{len(faults)} with {faults[0].name}")
    alone = pytest.mark.soak("each fault alone; otherwise several are planted at once")
    for fault in FAULTS:
        yield pytest.param((fault,), id=fault.name, marks=alone)


@pytest.mark.parametrize("faults", list(at_once()))
def test_planted_faults_are_found_with_their_fixes_and_nothing_else_is_claimed(
    site: Site, faults: Sequence[Fault]
) -> None:
    answer = answer_with(site, faults)
    assert answer.code == 2
    others = answer.missing()
    for fault in faults:
        found = [line for line in answer.missing() if re.search(fault.words, line.text)]
        assert found, f"{fault.name}:\n{answer.text}"
        assert all(re.search(fault.fix, line.fix) for line in found), f"{fault.name}:\n{answer.text}"
        others = [line for line in others if line not in found and not re.match(fault.also, line.text)]
        FOUND.add(fault.name)
    assert others == [], answer.text


def test_a_quota_that_is_too_small_is_found_and_one_that_is_used_up_is_told(site: Site) -> None:
    with quota(site.cluster, requests_memory="300Mi"):
        answer = site.doctor()
    (found,) = answer.missing()
    assert "small is too small for the job: requests.memory" in found.text
    assert "edit resourcequota small" in found.fix
    FOUND.add("quota_too_small")


def test_all_were_found(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {fault.name for fault in FAULTS} | {"quota_too_small"}
    with capsys.disabled():
        print(f"\ndoctor: {len(FOUND & wanted)} of {len(wanted)} planted faults found")  # noqa: T201
    assert len(FOUND) >= AT_LEAST
