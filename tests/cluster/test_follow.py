"""`platen submit --wait` and `platen cancel` where the run's pods are: what Kubeflow Pipelines does not tell.

The API is a stand-in that answers as the real one does; the pods, their ends and the refusals are a real cluster's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from platen.core.images import Images
from platen.jobs.cluster import Cluster
from platen.jobs.own_pod import workflow_path
from tests.cluster.argo import argo
from tests.cluster.waiting import wait_until
from tests.pipelines.compiled import write_compiled
from tests.pipelines.conftest import SETTINGS
from tests.pipelines.kfp_server import State, kfp_server
from tests.pipelines.kfp_server import get_run as kfp_get_run

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

LIGHT = Images().name("light")
SLEEP = "import time; time.sleep(600)"


def step(code: str, image: str = LIGHT, **resources: Any) -> dict[str, Any]:
    """The pod of a step that runs some Python."""
    main = {"name": "main", "image": image, "command": ["python", "-c", code], "imagePullPolicy": "IfNotPresent"}
    return {"containers": [{**main, "resources": resources}]}


@pytest.fixture
def needs_light(node_images: set[str]) -> None:
    if LIGHT not in node_images:
        pytest.skip(f"{LIGHT} is not on the nodes: make images, then load it")


class Submit:
    """The command in a process of its own, in a namespace that serves as the profile's."""

    def __init__(self, cluster: Cluster, host: str, folder: Path, compiled: Path) -> None:
        (folder / "my.yaml").write_text(SETTINGS)
        self.host, self.cluster, self.folder, self.compiled = host, cluster, folder, compiled

    def start(self, *more: str) -> subprocess.Popen[str]:
        command = ["submit", "--settings", "my.yaml", "--compiled", str(self.compiled), "--wait"]
        return self.platen(*command, "--namespace", self.cluster.namespace, *more)

    def recurring(self, cron: str) -> tuple[int, str]:
        """Order a recurring run; the exit code and what was logged."""
        command = ["submit", "--settings", "my.yaml", "--compiled", str(self.compiled), "--recurring", cron]
        process = self.platen(*command, "--namespace", self.cluster.namespace)
        _, said = process.communicate(timeout=120)
        return process.returncode, said

    def platen(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "platen.cli", *arguments, "--host", self.host]
        pipe = subprocess.PIPE
        environment = {**os.environ, "NO_GCE_CHECK": "true"}
        return subprocess.Popen(command, cwd=self.folder, stdout=pipe, stderr=pipe, text=True, env=environment)

    def __call__(self, *more: str) -> tuple[int, str]:
        process = self.start(*more)
        _, said = process.communicate(timeout=240)
        return process.returncode, said


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled")
    write_compiled(folder)
    return folder


@pytest.fixture
def world(namespace: Cluster, tmp_path: Path, compiled: Path) -> Any:
    with kfp_server() as (host, state):
        state.multi_user = True
        yield namespace, state, Submit(namespace, host, tmp_path, compiled)


World = tuple[Cluster, State, Submit]


@pytest.mark.usefixtures("needs_light")
@pytest.mark.parametrize(
    ("code", "limits", "words"),
    [
        ("bytearray(2 ** 30)", {"memory": "64Mi"}, r"train failed: OOMKilled, exit code 137"),
        ("import sys; sys.exit(1)", {}, r"train failed: exit code 1"),
        (
            "open('/dev/termination-log', 'w').write('/data: no such folder'); import sys; sys.exit(1)",
            *({}, r"train failed: exit code 1: /data: no such folder"),
        ),
    ],
    ids=["out of memory", "exit code", "the stage's own words"],
)
def test_how_a_step_ended_that_left_no_record(world: World, code: str, limits: dict[str, str], words: str) -> None:
    cluster, state, submit = world
    with argo(cluster, state, "train", step(code, limits=limits)):
        assert_ended(submit(), 1, words)


def test_an_account_that_is_missing_is_told(world: World) -> None:
    cluster, state, submit = world
    with argo(cluster, state, "ingest", step(SLEEP)):
        assert_ended(submit("--service-account", "nobody"), 1, r'ingest failed: .*serviceaccount "nobody" not found')


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (step(SLEEP, image="registry.invalid/none:1"), r"(ImagePullBackOff|ErrImagePull)"),
        (step(SLEEP, limits={"nvidia.com/gpu": "999"}), r"cannot be scheduled: .*Insufficient nvidia.com/gpu"),
    ],
    ids=["an image that cannot be pulled", "no node"],
)
def test_a_step_that_cannot_start_ends_the_run_in_time(world: World, pod: dict[str, Any], words: str) -> None:
    cluster, state, submit = world
    with argo(cluster, state, "clean-images", pod) as steps:
        said = submit("--start-seconds", "10")
        assert_ended(said, 1, rf"clean-images did not start within 10 s .*{words}.*The run was cancelled")
        assert re.search(rf"clean-images does not start: .*{words}", said[1]), said[1]
        (run_id,) = state.runs
        wait_until(lambda: not steps.left(run_id), otherwise="the run's pod is still there")
        workflow = cluster.get(workflow_path(cluster, steps.name(run_id)))
        assert workflow is not None and workflow["spec"]["activeDeadlineSeconds"] == 0


@pytest.mark.usefixtures("needs_light")
def test_a_step_that_a_quota_refuses_is_told_though_its_driver_had_room(world: World) -> None:
    cluster, state, submit = world
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"count/pods": "1"}}}
    path = f"/api/v1/namespaces/{cluster.namespace}/resourcequotas"
    cluster.create(path, {"apiVersion": "v1", "kind": "ResourceQuota", **quota})
    wait_until(lambda: (cluster.get(f"{path}/small") or {}).get("status", {}).get("hard"))
    with argo(cluster, state, "ingest", step(SLEEP), driver=step(SLEEP)) as steps:
        assert_ended(submit("--start-seconds", "5"), 1, r"ingest did not start within 5 s .*exceeded quota: small")
        cluster.delete(f"{steps.pods}/{steps.name(next(iter(state.runs)))}-driver")


@pytest.mark.usefixtures("needs_light")
def test_a_run_that_is_cancelled_is_reported_as_that_and_leaves_nothing(world: World) -> None:
    cluster, state, submit = world
    with argo(cluster, state, "train", step(SLEEP)) as steps:
        waiting = submit.start()
        run_id = wait_until(lambda: next(iter(state.runs), None))
        wait_until(lambda: steps.left(run_id) and steps.left(run_id)[0]["status"].get("phase") == "Running")
        cancelled = submit.platen("cancel", run_id, "--namespace", cluster.namespace)
        assert cancelled.wait(60) == 0, cancelled.communicate()
        _, said = waiting.communicate(timeout=120)
        assert_ended((waiting.returncode, said), 3, "error: the run was cancelled")
        wait_until(lambda: not steps.left(run_id), seconds=60, otherwise="the run's pod is still there")


@pytest.mark.usefixtures("needs_light")
def test_changing_a_recurring_run_leaves_the_one_that_runs_alone(world: World) -> None:
    """Its ScheduledWorkflow owns the Workflow: deleting one takes the other away, and nobody follows its training."""
    cluster, state, submit = world
    with argo(cluster, state, "train", step(SLEEP)) as steps:
        assert submit.recurring("0 3 * * 1")[0] == 0
        (first,) = state.recurring_runs
        run_id = steps.fire(first)
        wait_until(lambda: steps.left(run_id) and steps.left(run_id)[0]["status"].get("phase") == "Running")
        pod = steps.left(run_id)[0]["metadata"]["uid"]

        code, said = submit.recurring("0 4 * * 1")
        assert code == 0 and re.search(f"left the recurring run .* disabled: .* cut off its run {run_id}", said), said
        assert state.recurring_runs[first]["status"] == "DISABLED" and len(state.recurring_runs) == 2
        time.sleep(10)  # a controller that was to take it away had 5 s on a real installation
        assert [pod] == [found["metadata"]["uid"] for found in steps.left(run_id)]

        cancelled = submit.platen("cancel", run_id, "--namespace", cluster.namespace)
        assert cancelled.wait(60) == 0, cancelled.communicate()
        wait_until(lambda: not steps.left(run_id), seconds=60, otherwise="the run's pod is still there")
        wait_until(lambda: get_run(state, run_id) == "FAILED")
        code, said = submit.recurring("0 4 * * 1")
        assert code == 0 and "deleted the recurring run" in said, said
        assert first not in state.recurring_runs and len(state.recurring_runs) == 1
        wait_until(lambda: not cluster.items(steps.scheduled), otherwise="the ScheduledWorkflow is still there")
        wait_until(lambda: cluster.get(workflow_path(cluster, steps.name(run_id))) is None)


def get_run(state: State, run_id: str) -> str:
    """The state of a run, as somebody who looks at it sees it."""
    with state.lock:
        return str(kfp_get_run(state, None, run_id)["state"])  # type: ignore[arg-type]


def test_where_kubernetes_is_out_of_reach_its_command_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, state, submit = world
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(submit.folder))
    with argo(cluster, state, "ingest", step(SLEEP)):
        said = submit("--service-account", "nobody")
        run_id = next(iter(state.runs))
        command = f"kubectl describe workflows,pods --namespace {cluster.namespace} --selector pipeline/runid={run_id}"
        assert_ended(said, 1, f"ingest failed without leaving a record; this shows how: {command}")
        monkeypatch.undo()
        shown = subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout
        assert 'serviceaccount "nobody" not found' in shown.replace("\\", "")


def assert_ended(ended: tuple[int, str], code: int, words: str) -> None:
    assert ended[0] == code, ended[1]
    assert re.search(words, ended[1], re.DOTALL), ended[1]
