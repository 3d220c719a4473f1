"""Every command of docs/kubeflow.md is run somewhere: the list says where, and what can be run here is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from platen.core.images import LOCAL
from platen.core.settings import parse
from platen.pipelines.package import read_package
from platen.pipelines.settings import RunSettings
from tests.images.test_dockerfiles import IMAGES
from tests.kubeflow_page import PAGE, REGISTRY, ROOT, commands, file, files, run, starting
from tests.pipelines.compiled import executors, pods
from tests.pipelines.kfp_server import kfp_server

KIND_UP = "manifests/kind/up.sh"
HERE = "tests/test_kubeflow_docs.py"
CLUSTER = "tests/cluster/test_kubeflow_docs.py"
SERVER = "tests/components/serve/test_kubeflow_docs.py"
PROFILE = f"{CLUSTER}::test_a_profile_gets_platen_and_loses_it_again"

# command of the page, as a pattern: where it is run
WHERE = {
    r"make install": f"{HERE}::test_make_has_the_target",
    r"make images .*": f"{HERE}::test_make_has_the_target",
    r"export PATH=.*": f"{HERE}::test_the_pipelines_compile",
    r'kubectl apply --server-side -k "github\.com/kubeflow/training-operator\.git/.*"': KIND_UP,
    r"kubectl rollout status deployment/training-operator .*": KIND_UP,
    r"kubectl apply -k manifests/overlays/mine": f"{CLUSTER}::test_the_page_s_overlays_can_be_applied",
    r"kubectl annotate serviceaccount .*": PROFILE,
    r"platen compile .*": f"{HERE}::test_the_pipelines_compile",
    r"platen settings --check my\.yaml": f"{HERE}::test_the_settings_can_be_used",
    r"kubectl port-forward .* service/ml-pipeline-ui 8888:80": KIND_UP,
    r"kubectl port-forward .* service/ml-pipeline 8888:8888": KIND_UP,
    r"platen doctor .*": PROFILE,
    r"platen submit --demo .*": f"{HERE}::test_the_demo_is_submitted",
    r"platen submit --settings .*": f"{HERE}::test_a_run_is_submitted_and_cancelled",
    r"platen cancel .*": f"{HERE}::test_a_run_is_submitted_and_cancelled",
    r"kubectl port-forward .* service/platen-serve 8000:80": PROFILE,
    r"curl .*": f"{SERVER}::test_the_page_s_requests_are_answered_with_a_picture",
    r"python3 -c .*": f"{SERVER}::test_the_page_s_requests_are_answered_with_a_picture",
    r"export KFP_EXISTING_TOKEN=.*": PROFILE,
    r"kubectl delete pytorchjobs .*": PROFILE,
    r"kubectl delete -k manifests/overlays/mine": PROFILE,
}
OVERLAY, SETTINGS, PODS = "manifests/overlays/mine/kustomization.yaml", "my.yaml", "my-cluster.yaml"


@pytest.mark.parametrize("command", commands())
def test_every_command_is_run_somewhere(command: str) -> None:
    places = [place for pattern, place in WHERE.items() if re.fullmatch(pattern, command)]
    assert len(places) == 1, f"not in the list, or there twice: {places}"
    (place,) = places
    if place == KIND_UP:
        assert command in (ROOT / KIND_UP).read_text()
    else:
        path, _, test = place.partition("::")
        assert f"\ndef {test}(" in (ROOT / path).read_text()


def test_no_line_of_the_list_is_left_over() -> None:
    assert [pattern for pattern in WHERE if not any(re.fullmatch(pattern, command) for command in commands())] == []


def test_every_file_of_the_page_is_used_in_a_test() -> None:
    both = ("single user, bucket", "single user, volume", "profile, bucket", "profile, volume")
    assert set(files()) == {
        *((OVERLAY, purpose) for purpose in both),  # tests/cluster
        *((SETTINGS, purpose) for purpose in ("bucket", "volume")),
        (PODS, "volume"),
    }


@pytest.mark.parametrize("command", starting("make"))
def test_make_has_the_target(command: str) -> None:
    """`make install` is run before all tests, and the images are built before those on a cluster, by .ci/run."""
    run(f"{command} --dry-run", ROOT)


@pytest.mark.parametrize("command", starting("platen", "compile"))
def test_the_pipelines_compile(command: str, tmp_path: Path) -> None:
    write_digests(tmp_path)
    (tmp_path / PODS).write_text(file(PODS, "volume"))
    run(command, tmp_path)
    content = read_package(tmp_path / "compiled", "content")
    graph = tmp_path / "compiled/content.yaml"
    images = {executor["container"]["image"] for executor in executors(graph).values()}
    assert images and all(
        re.fullmatch(rf"{re.escape(REGISTRY)}/[a-z-]+@sha256:[0-9a-f]{{64}}", name) for name in images
    )
    assert content.tasks
    mounts = {mount["mountPath"] for pod in pods(graph).values() for mount in pod.get("pvcMount", [])}
    assert mounts == ({"/workspace"} if "--cluster" in command else set())


def write_digests(folder: Path) -> None:
    """What `make images PUSH=1` leaves."""
    (folder / "build").mkdir()
    digests = {f"{LOCAL}/{stage.replace('_', '-')}": f"sha256:{'0' * 64}" for stage in IMAGES}
    (folder / "build/images.json").write_text(json.dumps(digests))


@pytest.mark.parametrize("purpose", ["bucket", "volume"])
def test_the_settings_can_be_used(purpose: str, tmp_path: Path) -> None:
    text = file(SETTINGS, purpose)
    (tmp_path / SETTINGS).write_text(text)
    (command,) = starting("platen", "settings")
    assert run(command, tmp_path) == "my.yaml: can be used\n"
    chosen = parse(RunSettings, text)
    overlay = file(OVERLAY, f"single user, {purpose}")
    assert chosen.workspace in (overlay if purpose == "bucket" else (ROOT / VOLUME).read_text()), (
        "the server has another"
    )
    assert chosen.train.job and set(chosen.train.job.volumes.values()) == set(cluster_mounts(purpose))
    # the demo works where these settings do
    assert any(f"--workspace {chosen.workspace} " in command for command in starting("platen", "submit", "--demo"))


VOLUME = "manifests/components/volume/kustomization.yaml"


def cluster_mounts(purpose: str) -> list[str]:
    """Where the steps mount a claim."""
    return list(yaml.safe_load(file(PODS, purpose))["volumes"].values()) if purpose == "volume" else []


@pytest.mark.parametrize("purpose", ["bucket", "volume"])
@pytest.mark.parametrize("profile", ["", "team-a"], ids=["single user", "profile"])
def test_a_run_is_submitted_and_cancelled(profile: str, purpose: str, tmp_path: Path) -> None:
    """Against a stand-in for the API. `--wait` is tested in tests/pipelines/test_follow.py."""
    write_digests(tmp_path)
    (tmp_path / SETTINGS).write_text(file(SETTINGS, purpose))
    (tmp_path / PODS).write_text(file(PODS, "volume"))
    (compile_it,) = (c for c in starting("platen", "compile") if ("--cluster" in c) == (purpose == "volume"))
    run(compile_it, tmp_path)
    submit, cancel = (
        next(c for c in starting(*words) if ("--namespace team-a" in c) == bool(profile))
        for words in (("platen", "submit", "--settings"), ("platen", "cancel"))
    )
    with kfp_server() as (host, state):
        state.multi_user, state.token = bool(profile), "a-token" if profile else None
        env = {"KFP_EXISTING_TOKEN": "a-token"} if profile else {}
        run(submit, tmp_path, {"http://localhost:8888": host, " --wait": ""}, env)
        ((run_id, submitted),) = state.runs.items()
        assert submitted["namespace"] == profile
        here = re.search(r"[0-9a-f-]{36}", cancel)
        assert here
        run(cancel, tmp_path, {"http://localhost:8888": host, here[0]: run_id}, env)
        assert state.terminated == [run_id]


@pytest.mark.parametrize("command", starting("platen", "submit", "--demo"))
def test_the_demo_is_submitted(command: str, tmp_path: Path) -> None:
    """Against a stand-in for the API; what the graph does is tested in tests/pipelines/test_demo.py."""
    volume, profile = "/workspace/" in command, "team-a" if "team-a" in command else ""
    write_digests(tmp_path)
    (tmp_path / PODS).write_text(file(PODS, "volume"))
    (compile_it,) = (c for c in starting("platen", "compile") if ("--cluster" in c) == volume)
    run(compile_it, tmp_path)
    with kfp_server() as (host, state):
        state.multi_user = bool(profile)
        run(command, tmp_path, {"http://localhost:8888": host, " --wait": ""})
        (submitted,) = state.runs.values()
    assert submitted["namespace"] == profile
    job = parse(RunSettings, submitted["runtime_config"]["parameters"]["settings"]).train.job
    assert job and set(job.volumes.values()) == set(cluster_mounts("volume" if volume else "bucket"))


def test_every_link_of_the_page_leads_somewhere() -> None:
    for path, heading in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", PAGE):
        text = (ROOT / "docs" / path).read_text() if path else PAGE
        anchors = {
            re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.*)$", text, re.M)
        }
        assert not heading or heading in anchors, (path, heading)
