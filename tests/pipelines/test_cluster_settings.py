"""What a cluster file says is in the compiled pipeline, and checked before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from platen.core.errors import SettingsError
from platen.core.settings import parse
from platen.pipelines.cluster_settings import STAGES, ClusterSettings, GpuPod
from platen.pipelines.compile import read_cluster
from platen.pipelines.tasks import Target
from tests.pipelines.compiled import executors, pods, write_compiled

ROOT = Path(__file__).parents[2]
EVERY_STAGE = """
image_pull_secrets: [registry, other]
node_selector: {disk: ssd}
tolerations: [{key: spot, operator: Exists, effect: NoExecute, tolerationSeconds: 60}]
env: {HTTPS_PROXY: http://proxy, PLATEN_LOG: plain}
secret_env: {HF_TOKEN: hub/token, OTHER: hub/token}
secret_files: {webhook: /etc/webhook}
volumes: {workspace: /workspace}
"""


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("default"), "")


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("everywhere"), EVERY_STAGE)


def compiled(folder: Path, text: str) -> Path:
    write_compiled(folder, Target(cluster=parse(ClusterSettings, text)))
    return folder / "retrain.yaml"  # which holds the content chain, and more


def resources(path: Path, task: str) -> dict[str, Any]:
    found = executors(path)[f"exec-{task}"]["container"]["resources"]
    return {name: value for name, value in found.items() if name.startswith("resource") or name == "accelerator"}


def variables(path: Path, task: str) -> dict[str, str]:
    return {found["name"]: found["value"] for found in executors(path)[f"exec-{task}"]["container"]["env"]}


def test_without_a_file_stages_ask_for_cpu_and_memory_and_no_gpu(default: Path) -> None:
    for task in executors(default):
        asked = resources(default, task.removeprefix("exec-"))
        assert set(asked) == {"resourceCpuRequest", "resourceMemoryRequest", "resourceMemoryLimit"}
        assert asked["resourceMemoryRequest"] == asked["resourceMemoryLimit"]
        needs = set(pods(default)[task])
        assert needs <= {"activeDeadlineSeconds", "emptyDirMounts", "fieldPathAsEnv"}
    assert resources(default, "generate")["resourceMemoryLimit"] == "4Gi"
    assert resources(default, "merge")["resourceMemoryLimit"] == "2Gi"


def test_without_a_file_only_train_may_take_longer_than_a_day(default: Path) -> None:
    deadlines = {task: pod.get("activeDeadlineSeconds") for task, pod in pods(default).items()}
    assert deadlines.pop("exec-train") is None
    assert set(deadlines.values()) == {"86400"}


def test_stages_with_models_have_room_in_dev_shm(default: Path) -> None:
    shm = {"volumeName": "shm", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "1Gi"}
    mounted = {task for task, pod in pods(default).items() if pod.get("emptyDirMounts") == [shm]}
    assert mounted == {f"exec-{stage}" for stage in ("base", "encode", "plan", "train", "generate", "evaluate")}


def test_secrets_are_environment_and_files_of_every_pod(everywhere: Path) -> None:
    for pod in pods(everywhere).values():
        taken = [
            (found["secretName"], pair["secretKey"], pair["envVar"])
            for found in pod["secretAsEnv"]
            for pair in found["keyToEnv"]
        ]
        assert taken == [("hub", "token", "HF_TOKEN"), ("hub", "token", "OTHER")]
        assert [(found["secretName"], found["mountPath"]) for found in pod["secretAsVolume"]] == [
            ("webhook", "/etc/webhook")
        ]


def test_volumes_pull_secrets_and_placement_are_of_every_pod(everywhere: Path) -> None:
    for pod in pods(everywhere).values():
        assert [(found["constant"], found["mountPath"]) for found in pod["pvcMount"]] == [("workspace", "/workspace")]
        assert [found["secretName"] for found in pod["imagePullSecret"]] == ["registry", "other"]
        assert pod["nodeSelector"] == {"labels": {"disk": "ssd"}}
        taint = {"key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": "60"}
        assert pod["tolerations"] == [taint]


def test_the_file_has_the_last_word_on_the_environment(everywhere: Path) -> None:
    for task in executors(everywhere):
        found = variables(everywhere, task.removeprefix("exec-"))
        assert (found["HTTPS_PROXY"], found["PLATEN_LOG"]) == ("http://proxy", "plain")


def test_a_stage_with_a_gpu(tmp_path: Path) -> None:
    text = "generate: {gpu: nvidia.com/gpu, gpus: 2, gpu_type: NVIDIA-L4, cpu: '4', cpu_limit: 8, shm: 8Gi}"
    path = compiled(tmp_path, text.replace("8,", "'8',"))
    asked = resources(path, "generate")
    assert asked["accelerator"] == {
        "count": "2",
        "type": "nvidia.com/gpu",
        "resourceCount": "2",
        "resourceType": "nvidia.com/gpu",
    }
    assert (asked["resourceCpuRequest"], asked["resourceCpuLimit"]) == ("4", "8")
    assert asked["resourceMemoryLimit"] == "4Gi"  # what is not said stays as it was
    assert pods(path)["exec-generate"]["nodeSelector"] == {"labels": {"nvidia.com/gpu.product": "NVIDIA-L4"}}
    assert pods(path)["exec-generate"]["emptyDirMounts"][0]["sizeLimit"] == "8Gi"
    assert "accelerator" not in resources(path, "evaluate")


def test_what_one_stage_has_comes_on_top_of_what_all_have(tmp_path: Path) -> None:
    path = compiled(
        tmp_path,
        "{env: {A: all}, volumes: {all: /all}, notify: {env: {A: own}, volumes: {own: /own}, timeout_seconds: null}}",
    )
    assert (variables(path, "notify")["A"], variables(path, "gate")["A"]) == ("own", "all")
    assert [found["mountPath"] for found in pods(path)["exec-notify"]["pvcMount"]] == ["/all", "/own"]
    assert [found["mountPath"] for found in pods(path)["exec-gate"]["pvcMount"]] == ["/all"]
    assert "activeDeadlineSeconds" not in pods(path)["exec-notify"]


def test_the_example_can_be_used_and_shows_each_kind_of_setting(tmp_path: Path) -> None:
    path = ROOT / "examples" / "cluster.yaml"
    write_compiled(tmp_path, Target(cluster=read_cluster(path)))
    assert resources(tmp_path / "content.yaml", "encode")["accelerator"]["type"] == "nvidia.com/gpu"
    assert "emptyDirMounts" not in pods(tmp_path / "content.yaml")["exec-train"]


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "submitting.md").read_text()
    names = {*ClusterSettings.model_fields, *GpuPod.model_fields} - set(STAGES)
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("generat: {}", r"generat: unknown setting. Accepted: generate \(did you mean that\?\)"),
        ("train: {gpu: nvidia.com/gpu}", r"train\.gpu: unknown setting"),
        ("merge: {memory: 1.5Gi}", r"merge\.memory: '1\.5Gi' is no memory size"),
        ("merge: {cpu: two}", r"merge\.cpu: 'two' is no number of CPU cores"),
        ("merge: {timeout_seconds: 0}", r"merge\.timeout_seconds: 0"),
        ("secret_env: {HF_TOKEN: hub}", r"'hub' does not name a key of a Secret: SECRET/KEY"),
        ("volumes: {ws: workspace}", r"'workspace' is not an absolute path"),
        ("{volumes: {a: /ws}, gate: {secret_files: {b: /ws}}}", r"gate: two things are mounted at /ws"),
        ("tolerations: [{key: a, operator: In}]", r"tolerations\.0\.operator: 'In'"),
    ],
    ids=[
        "unknown_stage",
        "gpu_for_train",
        "fractional_memory",
        "cpu_in_words",
        "no_time",
        "secret_without_key",
        "relative_mount",
        "two_mounts_at_one_path",
        "unknown_operator",
    ],
)
def test_faults_name_the_field_and_what_is_accepted(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=rf"cluster\.yaml: .*{message}"):
        read_cluster(path)
