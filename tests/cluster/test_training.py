"""Training as a PyTorchJob on a real cluster: what happens to it, and to the step that waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from platen.components.train.cluster.workload import Training as Workload
from platen.core.errors import ClusterError
from platen.core.stage import Folder
from platen.core.storage import join, store_for
from platen.jobs.cluster import APPLY, AwayError, Cluster, Object
from platen.jobs.launch import Launcher
from platen.jobs.own_pod import is_cancelled, own_workflow, workflow_path
from platen.jobs.pods import condition, has_ended, has_started
from platen.jobs.pytorchjob import (
    ATTEMPT,
    REPORTED,
    chosen_image,
    job_body,
    jobs_path,
    pods_path,
)
from platen.jobs.reap import reap
from platen.jobs.settings import JobSettings
from tests.cluster.argo import make_kind
from tests.cluster.namespaces import new_namespace
from tests.cluster.training import KILL_THE_RANK, SMALL, Site, Training, grant, quota
from tests.cluster.waiting import wait_until
from tests.components.train.small_run import commit, settings, write_base, write_encoded
from tests.platen.jobs.every_setting import EVERYTHING, TASK

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]

Start = Callable[..., Training]


@pytest.fixture(scope="module")
def site(
    cluster: Cluster, node_images: set[str], bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    image = chosen_image(JobSettings())
    if image not in node_images:
        pytest.skip(f"{image} is not on the nodes: make images, then load it")
    folder = tmp_path_factory.mktemp("training")
    with pytest.MonkeyPatch.context() as patch, new_namespace(cluster) as own:
        patch.setenv("PLATEN_SCRATCH", str(folder / "scratch"))
        grant(own)
        inputs = {
            "encoded": commit(write_encoded, join(bucket, "inputs"), "encode", "encoded"),
            "base": commit(write_base, join(bucket, "inputs"), "base", "model"),
        }
        yield Site(own, bucket, folder, inputs)


@pytest.fixture
def training(site: Site) -> Iterator[Start]:
    """Makes trainings, and takes away what they left."""
    made: list[Training] = []

    def make(**settings: Any) -> Training:
        made.append(site.training(**settings))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture(scope="module")
def undisturbed(site: Site) -> Iterator[Training]:
    """A training that nothing happened to."""
    training = site.training(steps=40, checkpoints={"every": 10})
    assert training.step().ended() == 0, training.steps[0].log.read_text()
    yield training
    training.end()


def bare_launcher(training: Training, job: dict[str, Any]) -> Launcher:
    """A launcher in this process, which may start its job without preflight."""
    shared = join(training.workspace, "train", ".it")
    settings = JobSettings.model_validate({**SMALL, **job})
    workload = Workload(join(shared, "job.json"), shared, training.workspace)
    return Launcher(training.site.cluster, settings, training.workspace, workload)


def test_two_pods_train_one_model(undisturbed: Training) -> None:
    step = undisturbed.steps[0]
    told = [line for line in step.lines() if "loss" in line]
    assert set(range(4, 41, 4)) <= {line["step"] for line in told} <= set(range(1, 41))
    assert all(line["rank"] == 0 and line["samples_per_second"] > 0 for line in told)
    assert step.said("[worker-0] the ranks of this node ended with 0")
    observed = undisturbed.observed()
    assert (observed["attempts"], observed["restarts"]) == (1, [])
    assert observed["job"]["spec"]["pytorchReplicaSpecs"]["Worker"]["replicas"] == 1
    assert len(undisturbed.losses()) == 40


def test_a_killed_rank_has_all_pods_start_again_from_the_checkpoint(training: Start, undisturbed: Training) -> None:
    killed = training(steps=40, checkpoints={"every": 10})
    step = killed.step()
    step.wait_for("step 16 of 40")
    assert "killed" in killed.run_in(f"{killed.name}-worker-0", KILL_THE_RANK)
    assert step.ended() == 0, step.log.read_text()
    (restart,) = killed.observed()["restarts"]
    assert (restart["attempt"], restart["exit_code"], restart["step"] % 10) == (1, 137, 0)
    assert restart["step"] >= 10
    assert killed.losses() == pytest.approx(undisturbed.losses(), rel=1e-4)
    assert killed.committed().digest == undisturbed.committed().digest


def test_a_deleted_pod_has_all_ranks_save_where_they_are(training: Start, undisturbed: Training) -> None:
    deleted = training(steps=40, checkpoints={"every": 100})
    step = deleted.step()
    step.wait_for("step 12 of 40")
    deleted.site.cluster.delete(f"/api/v1/namespaces/{deleted.site.cluster.namespace}/pods/{deleted.name}-worker-0")
    assert step.ended() == 0, step.log.read_text()
    (restart,) = deleted.observed()["restarts"]
    assert restart["step"] >= 12, "no checkpoint was made when the pod was told to stop"
    assert deleted.losses() == pytest.approx(undisturbed.losses(), rel=1e-4)


@pytest.mark.soak("random kills of ranks, saving ones too, come without a cluster; one kill and one deletion are above")
def test_a_pod_deleted_twice_once_while_it_saves_changes_nothing(training: Start, undisturbed: Training) -> None:
    deleted = training(steps=40, checkpoints={"every": 1})
    step = deleted.step()
    step.wait_for("step 8 of 40")
    deleted.delete_pod("worker-0", signalled=True)
    step.wait_for("starting all pods again")
    step.wait_for("step 20 of 40")
    wait_until(deleted.is_saving, 60, "no save was under way")
    deleted.delete_pod("worker-0", signalled=False)
    assert step.ended() == 0, step.log.read_text()
    assert len(deleted.observed()["restarts"]) == 2
    assert deleted.losses() == pytest.approx(undisturbed.losses(), rel=1e-4)


def test_the_restart_budget_ends(training: Start) -> None:
    spent = training(job={"restarts": 0})
    step = spent.step()
    step.wait_for("started the job")
    wait_until(lambda: any(map(has_started, spent.pods())), otherwise="no pod ran")
    (pod,) = [pod["metadata"]["name"] for pod in spent.pods() if has_started(pod)][:1]
    spent.site.cluster.delete(f"{pods_path(spent.site.cluster)}/{pod}")
    assert step.ended() == 1
    assert step.said("training failed: pod ") and step.said("all 0 restarts (train.job.restarts) were used")
    job = spent.job()
    assert job is None or (condition(job, "Failed") and REPORTED in job["metadata"]["annotations"])
    wait_until(lambda: all(map(has_ended, spent.pods())), otherwise="a pod trains on, and nobody follows it")


def test_a_step_that_was_killed_finds_its_job_again(training: Start) -> None:
    followed = training()
    first = followed.step()
    first.wait_for("started the job")
    (job,) = followed.jobs()
    first.kill()
    second = followed.step()
    assert second.ended() == 0, second.log.read_text()
    assert second.said("following the job") and not second.said("started the job")
    assert [found["metadata"]["uid"] for found in followed.jobs()] == [job["metadata"]["uid"]]
    assert followed.observed()["attempts"] == 1


def test_settings_with_other_nodes_take_the_job_over_at_its_checkpoint(training: Start, undisturbed: Training) -> None:
    changed = training(steps=40, checkpoints={"every": 100})
    first = changed.step()
    first.wait_for("step 12 of 40")
    first.kill()
    changed.settings = settings(steps=40, checkpoints={"every": 100}, ranks=1, job={**SMALL, "nodes": 1})
    second = changed.step()
    assert second.ended() == 0, second.log.read_text()
    assert second.said("has 2 pods of 1 processes, wanted are 1 of 1; it is stopped")
    assert second.said("resumed after step") and not second.said("resumed after step 0")
    assert changed.losses() == pytest.approx(undisturbed.losses(), rel=1e-4)


KILLED_ABOVE = pytest.mark.soak("test_a_step_that_was_killed_finds_its_job_again has it as a process")


@pytest.mark.parametrize(
    "signalled", [True, pytest.param(False, marks=KILLED_ABOVE)], ids=["drained", "lost with its node"]
)
def test_a_step_pod_that_is_deleted_is_replaced_and_its_job_followed(
    training: Start, undisturbed: Training, *, signalled: bool
) -> None:
    followed = training(steps=40, checkpoints={"every": 10})
    first = followed.pod()
    first.wait_for("step 4 of 40")
    (job,) = followed.jobs()
    first.delete(signalled=signalled)
    second = followed.pod()
    assert second.ended() == 0, second.log()
    assert "following the job" in second.log() and "started the job" not in second.log()
    assert [found["metadata"]["uid"] for found in followed.jobs()] == [job["metadata"]["uid"]]
    assert followed.observed()["attempts"] == 1
    assert followed.losses() == undisturbed.losses()


def test_a_cancelled_step_pod_takes_its_job_along(training: Start) -> None:
    cancelled = training(steps=2000, checkpoints={"every": 1000})
    step = cancelled.pod()
    step.wait_for("step 8 of 2000")
    step.signal()
    started = time.monotonic()
    assert step.ended(seconds=60) == 143, step.log()
    wait_until(lambda: not cancelled.jobs() and not cancelled.all_pods(), 60, "its job or pods outlived it")
    assert time.monotonic() - started < 60
    assert cancelled.checkpoints(), "its work was lost"


@pytest.mark.soak("the same in a pod, as Kubeflow Pipelines has it, is above")
def test_a_cancelled_step_takes_its_job_along(training: Start) -> None:
    cancelled = training(steps=2000, checkpoints={"every": 1000})
    step = cancelled.step()
    step.wait_for("step 8 of 2000")
    step.process.terminate()
    assert step.ended(seconds=60) == 143
    assert cancelled.job() is None
    assert cancelled.all_pods() == []
    assert cancelled.checkpoints(), "its work was lost"


def test_a_job_that_nobody_follows_is_reaped(training: Start) -> None:
    left = training(steps=2000)
    step = left.step()
    step.wait_for("started the job")
    assert reap(left.site.cluster, older_than=300) == []
    assert reap(left.site.cluster, older_than=0, settle=20) == [], "its step was there to leave a sign"
    step.kill()
    time.sleep(2)
    wait_until(lambda: left.name in reap(left.site.cluster, older_than=1, settle=1), otherwise="it was not reaped")
    wait_until(lambda: not left.all_pods(), otherwise="pods outlived their job")
    assert left.job() is None


@pytest.fixture
def changed_since(site: Site) -> Folder:
    """An encoded folder whose bucket holds other bytes than were committed; this machine has the right ones."""
    folder = commit(write_encoded, join(site.bucket, "changed"), "encode", "encoded")
    assert folder.path.is_dir()
    store_for(folder.uri).write(join(folder.uri, "latents", "00000.npy"), b"not what was committed")
    return folder


def test_the_users_error_is_told_once_and_never_tried_again(training: Start, changed_since: Folder) -> None:
    wrong = training(inputs={"encoded": changed_since})
    first = wrong.step()
    first.wait_for("started the job")
    first.kill()
    wait_until(lambda: condition(wrong.job() or {}, "Failed"), otherwise="the job did not fail")
    for attempt in (1, 2):  # the one that nobody was told of, then a new one
        step = wrong.step()
        assert step.ended() == 2, step.log.read_text()
        assert step.said("following the job") == (attempt == 1)
        assert step.said("latents/00000.npy")
        assert (wrong.job() or {})["metadata"]["annotations"][ATTEMPT] == str(attempt)


def test_pods_that_fit_nowhere_say_so(training: Start) -> None:
    gpus = {"gpu": "nvidia.com/gpu", "processes_per_node": 20, "schedule_seconds": 20}
    greedy = training(ranks=40, global_batch=40, micro_batch=1, job=gpus)
    step = greedy.step()
    assert step.ended() == 1
    assert step.said("training did not start: after 20 s (train.job.schedule_seconds) 0 of 2 pods ran")
    assert step.said("Insufficient nvidia.com/gpu")
    assert greedy.job() is None


def test_an_image_that_is_nowhere_is_named_before_the_job_is_made(training: Start) -> None:
    step = (missing := training(job={"image": "platen/none:0"})).step()
    assert step.ended() == 1
    assert step.said("a pod with platen/none:0 cannot start")
    assert missing.job() is None


def test_a_path_on_nvme_that_pods_do_not_have_is_refused_before_the_job_is_made(training: Start) -> None:
    step = (without := training(zero={"stage": 3, "offload_optimizer": "nvme", "nvme_path": "/nvme"})).step()
    assert step.ended() == 2
    assert step.said("train.zero.nvme_path: /nvme: no such folder on this machine")
    assert without.job() is None


def test_a_quota_without_room_is_named_before_the_job_is_made(training: Start, site: Site) -> None:
    with quota(site.cluster, requests_memory="4Gi"):
        step = (crowded := training()).step()
        assert step.ended() == 1
    assert step.said("the quota small")
    assert step.said("requests.memory: 6.0 GiB needed, ") and step.said(" of 4Gi used")
    assert crowded.job() is None


def test_pods_that_a_quota_refuses_say_so(training: Start, site: Site) -> None:
    """Where the quota came into force after preflight."""
    refused = training()
    launcher = bare_launcher(refused, {"schedule_seconds": 15})
    with quota(site.cluster, pods="0"):
        job = launcher.start()
        with pytest.raises(ClusterError, match=r"0 of 2 pods ran\. .*exceeded quota: small"):
            launcher.follow(job)
    assert site.cluster.get(launcher.path) is None


def test_a_job_that_its_queue_does_not_admit_says_so(training: Start, site: Site) -> None:
    launcher = bare_launcher(training(), {"schedule_seconds": 2, "kueue_queue": "training"})
    with pytest.raises(ClusterError, match="the queue 'training' of Kueue has not admitted it"):
        launcher.follow(launcher.start())
    assert site.cluster.get(launcher.path) is None


@dataclass(frozen=True)
class Away(Cluster):
    """A cluster whose API server does not answer the first requests."""

    left: list[str]

    def get(self, path: str, **query: str) -> Object | None:
        if self.left:
            raise AwayError(self.left.pop())
        return super().get(path, **query)


def test_an_api_server_that_is_away_is_waited_for(training: Start, site: Site) -> None:
    launcher = bare_launcher(training(), {"kueue_queue": "training"})  # suspended: it has no pods
    uid = launcher.start()["metadata"]["uid"]
    launcher.cluster = away = Away(site.cluster.api, site.cluster.namespace, ["upgraded", "restarted"])
    job, pods = launcher.look()
    assert (job["metadata"]["uid"], pods, away.left) == (uid, [], [])
    launcher.remove(uid)


def test_pods_that_do_not_end_are_named(training: Start, site: Site) -> None:
    """As on a node that is lost: something keeps a pod there."""
    launcher = bare_launcher(training(), {"nodes": 1, "grace_seconds": 1})
    job = launcher.start()
    pod = f"{pods_path(site.cluster)}/{launcher.task.name}-master-0"
    wait_until(lambda: site.cluster.get(pod), otherwise="no pod was made")
    site.cluster.merge(pod, {"metadata": {"finalizers": ["platen.dev/lost"]}})
    try:
        with pytest.raises(ClusterError, match=f"the pods {launcher.task.name}-master-0 of .* do not end"):
            launcher.remove(job["metadata"]["uid"], patience=1)
    finally:
        site.cluster.merge(pod, {"metadata": {"finalizers": None}})


def test_the_api_server_takes_a_job_with_every_setting(site: Site) -> None:
    body = job_body(JobSettings.model_validate(EVERYTHING), TASK, seconds=10, annotations={ATTEMPT: "1"})
    path = f"{jobs_path(site.cluster)}/{TASK.name}"
    tried = {"dryRun": "All", "fieldManager": "platen", "fieldValidation": "Strict"}
    assert site.cluster.call("PATCH", path, body, content=APPLY, query=tried)["metadata"]["name"] == TASK.name


def test_a_job_belongs_to_the_workflow_of_its_step(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "name": "a-run",
        "uid": "12ab",
        "controller": True,
    }
    spec = {"nodeSelector": {"none": "such"}, "containers": [{"name": "main", "image": "none"}]}
    metadata = {"name": "a-step", "ownerReferences": [owner]}
    made = site.cluster.create(pods_path(site.cluster), {"metadata": metadata, "spec": spec})
    monkeypatch.setenv("KFP_POD_NAME", "a-step")
    monkeypatch.setenv("KFP_POD_UID", made["metadata"]["uid"])
    del owner["controller"]
    assert own_workflow(site.cluster) == [owner]
    monkeypatch.setenv("KFP_POD_UID", "another's")
    assert own_workflow(site.cluster) == []


@pytest.mark.parametrize(
    ("spec", "cancelled"),
    [
        ({}, False),
        ({"activeDeadlineSeconds": 600}, False),
        ({"activeDeadlineSeconds": 0}, True),
        ({"shutdown": "Stop"}, True),
    ],
    ids=["running", "with a deadline", "as Kubeflow Pipelines ends it", "as Argo ends it"],
)
def test_a_run_that_was_cancelled_is_told_from_one_whose_node_shuts_down(
    site: Site, spec: dict[str, Any], *, cancelled: bool
) -> None:
    make_kind(site.cluster, "argoproj.io", "v1alpha1", "Workflow")
    path = workflow_path(site.cluster, "")
    name = f"run-{len(site.cluster.items(path))}"
    site.cluster.create(
        path, {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": name}, "spec": spec}
    )
    assert is_cancelled(site.cluster, name) == cancelled
    assert is_cancelled(site.cluster, "deleted")


def test_the_time_limit_stops_training_at_a_checkpoint(training: Start) -> None:
    endless = training(steps=5000, checkpoints={"every": 5000}, job={"max_seconds": 90})
    step = endless.step()
    assert step.ended() == 2
    assert step.said("train.job.max_seconds: training was stopped after 90 s, with a checkpoint of step")
    assert endless.checkpoints() and not step.said("checkpoint of step 0")
    assert (endless.job(), endless.all_pods()) == (None, [])


def test_an_account_without_rights_is_told_which_it_lacks(training: Start) -> None:
    step = training().step(account="platen-reap")
    assert step.ended() == 1
    assert step.said("this account may not get pytorchjobs.kubeflow.org, create pytorchjobs.kubeflow.org, patch")
