from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from platen import __version__
from platen.components.serve.settings import ServeSettings
from platen.components.train.cluster.workload import training_task
from platen.core.settings import build
from platen.jobs.pytorchjob import ATTEMPT, job_body
from platen.jobs.settings import JobSettings
from tests.manifests.kustomize import (
    COMPONENTS,
    MANIFESTS,
    OVERLAYS,
    ROOT,
    Object,
    containers,
    one,
    overlay,
    overlay_of_the_documentation,
    pods,
    render,
    templates,
    with_all_components,
    write_on_top,
)

# checked by a server-side dry run (tests/cluster)
CUSTOM = {"ScaledObject", "ServiceMonitor", "PodMonitor", "PrometheusRule"}
CLUSTER_WIDE = {"Namespace", "PriorityClass"}
PROFILE = "kubeflow-user-example-com"
SIDECAR = "sidecar.istio.io/inject"
ANSWERS, GIVES_UP = 10, 10  # seconds that serve/server.py takes, after `drain`, for answers and for its engine's end

each_overlay = pytest.mark.parametrize("objects", OVERLAYS, indirect=True)


@pytest.fixture
def objects(request: pytest.FixtureRequest) -> tuple[Object, ...]:
    return overlay(request.param)


@pytest.fixture
def everything(tmp_path: Path) -> tuple[Object, ...]:
    return render(write_on_top(tmp_path, with_all_components()))


@each_overlay
@pytest.mark.parametrize("version", ["1.30", "1.34"])
def test_objects_have_the_schema_of_kubernetes(objects: tuple[Object, ...], version: str) -> None:
    for o in objects:
        if o["kind"] not in CUSTOM:
            kubernetes_validate.validate(o, version, strict=True)


def test_components_have_the_schema_of_kubernetes(everything: tuple[Object, ...]) -> None:
    assert {o["kind"] for o in everything} >= CUSTOM | {"ResourceQuota", "PriorityClass"}
    for o in everything:
        if o["kind"] not in CUSTOM:
            kubernetes_validate.validate(o, "1.34", strict=True)


def test_the_example_in_the_documentation_renders(tmp_path: Path) -> None:
    objects = render(write_on_top(tmp_path, overlay_of_the_documentation()))
    assert {o["metadata"]["namespace"] for o in objects if o["kind"] not in CLUSTER_WIDE} == {"pictures"}
    assert one(objects, "Namespace", "pictures")
    assert one(objects, "RoleBinding", "platen-pipeline")["subjects"][0]["namespace"] == "kubeflow"
    images = {container["image"] for container in containers(objects)}
    assert images == {f"registry.ours.example/platen/{name}:{__version__}" for name in ("serve", "light")}
    (storage,) = (o for o in objects if o["metadata"]["name"].startswith("platen-storage-"))
    assert storage["data"] == {"PLATEN_WORKSPACE": "gs://our-bucket/platen"}
    google = "iam.gke.io/gcp-service-account"
    for name in ("serve", "train"):
        annotations = one(objects, "ServiceAccount", f"platen-{name}")["metadata"]["annotations"]
        assert annotations[google] == f"pictures-{name}@our-project.iam.gserviceaccount.com"


def test_the_base_names_no_namespace_and_no_tag() -> None:
    objects = render(MANIFESTS / "base")
    assert not any("namespace" in o["metadata"] for o in objects)
    assert not any("namespace" in subject for o in objects for subject in o.get("subjects", []))
    assert not any(":" in container["image"] for container in containers(objects))


@each_overlay
def test_images_are_ours_at_the_version_of_the_package(objects: tuple[Object, ...]) -> None:
    for container in containers(objects):
        name, _, tag = container["image"].rpartition(":")
        assert tag == __version__
        assert is_made(name.rpartition("platen/")[2]), f"no Dockerfile makes {name}"


def is_made(name: str) -> bool:
    """Whether a Dockerfile makes this image."""
    if name in ("light", "torch"):
        return f" AS {name}\n" in (ROOT / "images/bases/Dockerfile").read_text()
    return (ROOT / "images" / name.replace("-", "_") / "Dockerfile").exists()


@each_overlay
def test_everything_says_whose_it_is(objects: tuple[Object, ...]) -> None:
    for o in objects:
        labels = o["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == labels["app.kubernetes.io/part-of"] == "platen"


def test_components_say_whose_they_are(everything: tuple[Object, ...]) -> None:
    test_everything_says_whose_it_is(everything)


@each_overlay
def test_pods_have_no_more_privileges_than_they_need(objects: tuple[Object, ...]) -> None:
    for name, spec in pods(objects):
        context = spec["securityContext"]
        assert context["runAsNonRoot"] and context["runAsUser"] == context["runAsGroup"] == 10001, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["enableServiceLinks"] is False
        assert "automountServiceAccountToken" in spec
    for container in containers(objects):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}


@each_overlay
def test_containers_say_what_they_take_and_write_only_where_they_may(objects: tuple[Object, ...]) -> None:
    for _, spec in pods(objects):
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for container in spec["containers"]:
            for part in ("requests", "limits"):
                assert {"cpu", "memory"} <= container["resources"][part].keys()
            mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
            assert mounts["/tmp"]["emptyDir"]["sizeLimit"]
            scratch = [e["value"] for e in container.get("env", []) if e["name"] == "PLATEN_SCRATCH"]
            assert all("emptyDir" in mounts[path] for path in scratch)


@each_overlay
def test_accounts_get_a_token_only_where_they_have_rights(objects: tuple[Object, ...]) -> None:
    with_rights = {subject["name"] for o in objects for subject in o.get("subjects", [])}
    assert with_rights in ({"pipeline-runner", "platen-reap"}, {"default-editor", "platen-reap"})
    for o in objects:
        if o["kind"] == "ServiceAccount" and o["metadata"]["name"].startswith("platen-"):
            assert o["automountServiceAccountToken"] is False
    for _, spec in pods(objects):
        assert spec["automountServiceAccountToken"] is (spec["serviceAccountName"] in with_rights)


@each_overlay
def test_rights_name_what_they_are_for(objects: tuple[Object, ...]) -> None:
    assert not [o for o in objects if o["kind"].startswith("ClusterRole")]
    for rule in (rule for o in objects if o["kind"] == "Role" for rule in o["rules"]):
        assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
        assert not {"secrets", "configmaps", "pods/exec"} & set(rule["resources"])


def test_the_account_of_the_pipeline_is_where_the_overlay_says() -> None:
    assert {name: subjects(overlay(name)) for name in OVERLAYS} == {
        "kind": [("pipeline-runner", "platen"), ("pipeline-runner", "kubeflow")],
        "gke-gpu": [("pipeline-runner", "kubeflow")],
        "kubeflow": [("pipeline-runner", "kubeflow")],
        "kubeflow-profile": [("default-editor", PROFILE)],
    }
    ours = {"platen-serve", "platen-train", "platen-reap"}
    for name in OVERLAYS:  # Kubeflow Pipelines and profiles make their own
        made = {o["metadata"]["name"] for o in overlay(name) if o["kind"] == "ServiceAccount"}
        assert made == ours | ({"pipeline-runner"} if name == "kind" else set())


def subjects(objects: tuple[Object, ...]) -> list[tuple[str, str]]:
    """Accounts with the rights of the pipeline's steps, and their namespaces."""
    bindings = [o for o in objects if o["kind"] == "RoleBinding" and o["roleRef"]["name"] == "platen-pipeline"]
    return [(subject["name"], subject["namespace"]) for binding in bindings for subject in binding["subjects"]]


@pytest.mark.parametrize(("name", "namespace"), [("kubeflow", "kubeflow"), ("kubeflow-profile", PROFILE)])
def test_beside_the_steps_everything_is_in_a_namespace_that_somebody_else_owns(name: str, namespace: str) -> None:
    objects = overlay(name)
    assert not CLUSTER_WIDE & {o["kind"] for o in objects}
    assert {o["metadata"]["namespace"] for o in objects} == {namespace}
    for o in objects:
        named = {subject["namespace"] for subject in o.get("subjects", [])}
        assert named <= {namespace}
    # the steps reach the server: a policy lets in whoever is in the same namespace
    reach = one(objects, "NetworkPolicy", "platen-serve")["spec"]["ingress"][0]
    assert {"podSelector": {}} in reach["from"]
    assert reach["ports"] == [{"port": "http", "protocol": "TCP"}]


def test_a_profile_of_another_name_and_a_volume_are_two_lines_on_top(tmp_path: Path) -> None:
    text = "{namespace: team-a, resources: [../kubeflow-profile], components: [../../components/volume]}"
    objects = render(write_on_top(tmp_path, text))
    assert {o["metadata"]["namespace"] for o in objects} == {"team-a"}
    assert subjects(objects) == [("default-editor", "team-a")]
    assert one(objects, "PersistentVolumeClaim", "platen-workspace")
    test_the_server_is_told_its_workspace(objects)
    assert "/workspace" in mounted(objects)
    for o in objects:
        kubernetes_validate.validate(o, "1.34", strict=True)


def mounted(objects: tuple[Object, ...]) -> set[str]:
    """Where the server mounts claims."""
    spec = one(objects, "Deployment", "platen-serve")["spec"]["template"]["spec"]
    claims = {volume["name"] for volume in spec["volumes"] if "persistentVolumeClaim" in volume}
    return {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"] if mount["name"] in claims}


@each_overlay
def test_no_pod_gets_a_sidecar(objects: tuple[Object, ...]) -> None:
    """One would keep a Job from ending, and refuse calls from pods without one."""
    found = {name: template["metadata"]["labels"].get(SIDECAR) for name, template in templates(objects)}
    assert found == {"platen-serve": "false", "platen-reap": "false"}


@each_overlay
def test_the_server_leaves_release_and_replicas_to_others(objects: tuple[Object, ...]) -> None:
    deployment = one(objects, "Deployment", "platen-serve")
    assert "replicas" not in deployment["spec"]
    (serve,) = deployment["spec"]["template"]["spec"]["containers"]
    assert not {"PLATEN_MODEL", "PLATEN_MODEL_DIGEST"} & {variable["name"] for variable in serve["env"]}


@each_overlay
def test_a_rollout_loses_no_request(objects: tuple[Object, ...]) -> None:
    deployment = one(objects, "Deployment", "platen-serve")
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert deployment["spec"]["strategy"] == rolling
    spec = deployment["spec"]["template"]["spec"]
    settings, (serve,) = server_settings(objects), spec["containers"]
    assert settings.drain >= settings.deadline
    leaving = serve["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] >= leaving + settings.lame_duck + settings.drain + ANSWERS + GIVES_UP


@each_overlay
def test_probes_and_services_reach_the_server(objects: tuple[Object, ...]) -> None:
    spec = one(objects, "Deployment", "platen-serve")["spec"]["template"]["spec"]
    (serve,) = spec["containers"]
    settings = server_settings(objects)
    assert settings.host == "0.0.0.0"
    assert serve["ports"] == [{"name": "http", "containerPort": settings.port}]
    probes = {name: serve[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert {probe["port"] for probe in probes.values()} == {"http"}
    assert [probe["path"] for probe in probes.values()] == ["/healthz", "/readyz", "/healthz"]
    service = one(objects, "Service", "platen-serve")["spec"]
    assert service["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}]
    labels = one(objects, "Deployment", "platen-serve")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()


def server_settings(objects: tuple[Object, ...]) -> ServeSettings:
    """The settings that the server of an overlay is started with: what its pod mounts."""
    spec = one(objects, "Deployment", "platen-serve")["spec"]["template"]["spec"]
    (name,) = (volume["configMap"]["name"] for volume in spec["volumes"] if volume["name"] == "settings")
    text = one(objects, "ConfigMap", name)["data"]["settings.yaml"]
    return build(ServeSettings, yaml.safe_load(text)["serve"], name)


@each_overlay
def test_the_server_is_told_its_workspace(objects: tuple[Object, ...]) -> None:
    (serve,) = one(objects, "Deployment", "platen-serve")["spec"]["template"]["spec"]["containers"]
    (source,) = serve["envFrom"]
    workspace = one(objects, "ConfigMap", source["configMapRef"]["name"])["data"]["PLATEN_WORKSPACE"]
    assert workspace.startswith("gs://") or str(Path(workspace).parent) in mounted(objects)


def test_gpus_are_asked_for_where_there_are_some() -> None:
    spec = one(overlay("gke-gpu"), "Deployment", "platen-serve")["spec"]["template"]["spec"]
    assert spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert spec["nodeSelector"] and spec["tolerations"]
    assert server_settings(overlay("gke-gpu")).device == "cuda"
    kind = one(overlay("kind"), "Deployment", "platen-serve")["spec"]["template"]["spec"]
    assert "nvidia.com/gpu" not in kind["containers"][0]["resources"]["limits"]


@each_overlay
def test_every_pod_is_under_a_network_policy_that_lets_nothing_in(objects: tuple[Object, ...]) -> None:
    default = one(objects, "NetworkPolicy", "platen-default")["spec"]
    assert default["policyTypes"] == ["Ingress"] and "ingress" not in default
    wanted = default["podSelector"]["matchLabels"]
    labels = [template["metadata"]["labels"] for _, template in templates(objects)]
    assert labels and all(wanted.items() <= found.items() for found in labels)


def test_prometheus_finds_the_first_pod_of_a_training(everything: tuple[Object, ...]) -> None:
    job = job_body(JobSettings(), training_task("gs://b/ws", "", 9464), seconds=1, annotations={ATTEMPT: "1"})
    replicas = job["spec"]["pytorchReplicaSpecs"]
    monitor = one(everything, "PodMonitor", "platen-train")["spec"]
    wanted = monitor["selector"]["matchLabels"]
    role = wanted.pop("training.kubeflow.org/replica-type")  # the operator's own label
    template = next(replica["template"] for name, replica in replicas.items() if name.lower() == role)
    assert wanted.items() <= template["metadata"]["labels"].items()
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert template["spec"]["containers"][0]["ports"] == [{"name": endpoint["port"], "containerPort": 9464}]
    allowed = one(everything, "NetworkPolicy", "platen-train")["spec"]["ingress"][1]
    assert allowed["ports"] == [{"port": endpoint["port"], "protocol": "TCP"}]


def test_a_cluster_has_one_autoscaler(everything: tuple[Object, ...]) -> None:
    assert [o["kind"] for o in everything if o["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")] == [
        "ScaledObject"
    ]
    trigger = one(everything, "ScaledObject", "platen-serve")["spec"]["triggers"][0]
    assert 'namespace="platen"' in trigger["metadata"]["query"]


def test_serving_comes_before_training(everything: tuple[Object, ...]) -> None:
    serve, train = (one(everything, "PriorityClass", f"platen-{name}")["value"] for name in ("serve", "train"))
    assert serve > train
    deployment = one(everything, "Deployment", "platen-serve")
    assert deployment["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "platen"
    assert deployment["spec"]["template"]["spec"]["priorityClassName"] == "platen-serve"


def test_the_reaper_never_runs_twice_at_once() -> None:
    assert one(overlay("kind"), "CronJob", "platen-reap")["spec"]["concurrencyPolicy"] == "Forbid"


def test_all_overlays_and_components_are_documented() -> None:
    text = (ROOT / "docs/kubernetes.md").read_text()
    assert all(f"`{name}`" in text for name in COMPONENTS)
    assert all(f"`overlays/{name}`" in text for name in OVERLAYS)
    assert {path.name for path in (MANIFESTS / "overlays").iterdir()} == set(OVERLAYS)
