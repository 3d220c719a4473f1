"""Work as a PyTorchJob: made once, followed to its end, all of its pods started again where one was lost.

1. A job of this work's name that runs or has ended is followed; there are never two.
2. Otherwise preflight, then the job.
3. Followed: logs, heartbeat, time limits.
4. Succeeded: done. A pod lost: the job is deleted and made again under the same name, from the newest checkpoint. A
   permanent failure is raised as this step's own error. It is reported once; a later run starts a fresh job.
5. SIGTERM or SIGINT at any point: the job is deleted, and its pods with it; but not where Kubernetes takes away the pod
   of this step: its next one follows the job.
"""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from platen.core.errors import ClusterError, PlatenError, ProcessError, SettingsError, UserError
from platen.core.telemetry import log
from platen.jobs.attempts import Attempts, Restart, load
from platen.jobs.cluster import AwayError, Cluster, Object, RefusedError, connect
from platen.jobs.exit_codes import OUT_OF_TIME, STOPPED
from platen.jobs.follow import Logs
from platen.jobs.own_pod import is_evicted, own_workflow
from platen.jobs.pods import (
    condition,
    end_of,
    has_ended,
    has_started,
    is_suspended,
    lost_pod,
    overdue_pod,
    parse_timestamp,
    pods_of,
    timestamp,
)
from platen.jobs.preflight import check_access, preflight
from platen.jobs.pytorchjob import (
    ATTEMPT,
    FOLLOWED,
    REPORTED,
    SHARED,
    STARTED,
    job_body,
    jobs_path,
    node_count,
    pods_path,
)
from platen.jobs.settings import JobSettings
from platen.jobs.verdict import Failure, judge
from platen.jobs.waiting import pending_reason
from platen.jobs.workload import Workload

POLL = 1.0  # seconds between two looks at the job
OUTAGE = 3600.0  # seconds for which the API server may be away while a job is followed: training goes on meanwhile
HEARTBEAT = 15.0  # seconds between two notes that somebody follows it
CANCEL = 50.0  # seconds that pods have to be gone after a cancel, then they are killed
KILLED = 10.0  # seconds that killed pods have
SETTLE = 15.0  # seconds that the other pods of a failed job have to tell what they ended with
LAST = 15  # lines of the failing pod in the error's text


class Cancelled(BaseException):
    """This process was told to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def launch(workload: Workload, settings: JobSettings, workspace: str) -> dict[str, Any]:
    """Have a job do some work, and wait for its end.

    Args:
        workload: What the pods are to do.
        settings: What they are, and how long they may take.
        workspace: Where they write, the same from any working directory.

    Returns:
        The job as it was applied, and how often it was started: `job`, `attempts`, `restarts`.

    Raises:
        PlatenError: What a process of the work raised, as it raised it.
        ProcessError: A pod failed without saying why, or more often than the restart budget allows.
        ClusterError: Preflight failed, or the pods never ran; with the reason.
        SettingsError: The time limit was reached.
        SystemExit: A signal came; the job is gone.
    """
    launcher = Launcher(connect(), settings, workspace, workload)
    with raised_signals():
        try:
            launcher.run()
        except Cancelled as cancelled:
            if is_evicted(launcher.cluster):
                launcher.leave()
            else:
                launcher.cancel()
            sys.exit(128 + cancelled.number)
    return launcher.record()


@contextmanager
def raised_signals() -> Iterator[None]:
    """SIGTERM and SIGINT raise Cancelled, once; a second one changes nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        for each in previous:
            signal.signal(each, signal.SIG_IGN)
        raise Cancelled(number)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@dataclass
class Launcher:
    """The job of some work, from the side of the step that waits for it."""

    cluster: Cluster
    settings: JobSettings
    workspace: str
    workload: Workload
    spec: Object = field(default_factory=dict)  # the job as it was applied
    attempts: Attempts = field(default_factory=Attempts)
    started: float | None = None  # when its pods ran first, in seconds since 1970
    last_heartbeat: float = 0.0
    waiting: float | None = None  # since when pods do not run, of the monotonic clock

    def __post_init__(self) -> None:
        self.task, self.shared = self.workload.task, self.workload.shared
        self.path = f"{jobs_path(self.cluster)}/{self.task.name}"
        self.logs = Logs(self.cluster)
        self.owners: list[Object] = []

    def run(self) -> None:
        """Follow the job that there is, or make one; until the work is finished."""
        if self.workload.is_finished():
            return
        check_access(self.cluster)
        self.owners = own_workflow(self.cluster)
        job = self.find() or self.start_anew()
        while (failure := self.follow(job)) is not None and not self.workload.is_finished():
            job = self.start_again(job, failure)

    def find(self) -> Object | None:
        """The job of an earlier launcher; None where there is none, or only one whose end was told already."""
        job = self.cluster.get(self.path)
        if job is None:
            return None
        metadata, notes = job["metadata"], job["metadata"].get("annotations", {})
        over = condition(job, "Succeeded") and not self.workload.is_finished()  # its result was deleted since
        if "deletionTimestamp" in metadata or REPORTED in notes or over or self.is_of_another_shape(job):
            self.remove(metadata["uid"])
            return None
        self.attempts, self.spec = load(self.shared), applied(job)
        self.started = parse_timestamp(notes[STARTED]) if STARTED in notes else None
        log.info("%s: following the job %s, attempt %s", self.task.task, self.task.name, notes.get(ATTEMPT, "?"))
        return job

    def is_of_another_shape(self, job: Object) -> bool:
        """Whether a job has other pods than the settings ask for now; training goes on from its checkpoint in these."""
        found = node_count(job), job["spec"].get("nprocPerNode")
        wanted = self.settings.nodes, str(self.settings.processes_per_node)
        if found == wanted:
            return False
        told = (self.task.task, self.task.name, *found, *wanted)
        log.info("%s: the job %s has %d pods of %s processes, wanted are %d of %s; it is stopped", *told)
        return True

    def start_anew(self) -> Object:
        """Preflight, then the first start; the number of the attempt goes on from those of earlier runs."""
        preflight(self.cluster, self.settings, self.workspace, self.workload)
        self.attempts = Attempts(attempt=load(self.shared).attempt + 1)
        self.started = None
        return self.start()

    def start(self) -> Object:
        """Make the job, and its pods with it."""
        self.attempts.save(self.shared)
        self.workload.clear_error()
        self.spec, self.waiting = self.body(), None
        job = self.cluster.apply(self.path, self.spec)
        data = {"job": self.task.name, "attempt": self.attempts.attempt, "nodes": self.settings.nodes}
        log.info(
            "%s: started the job %s, attempt %d",
            self.task.task,
            self.task.name,
            self.attempts.attempt,
            extra={"data": data},
        )
        return job

    def body(self) -> Object:
        """The job as it is to be applied now."""
        began = {STARTED: timestamp(self.started)} if self.started else {}
        annotations = {
            ATTEMPT: str(self.attempts.attempt),
            SHARED: self.shared,
            FOLLOWED: timestamp(time.time()),
            **began,
        }
        seconds = max(1, int(self.seconds_left()))
        return job_body(self.settings, self.task, seconds=seconds, annotations=annotations, owners=self.owners)

    def seconds_left(self) -> float:
        """Until the time limit; it counts from the first start of the pods, over all attempts."""
        return self.settings.max_seconds - (time.time() - self.started if self.started else 0)

    def follow(self, job: Object) -> Failure | None:
        """Wait for the end of the job; None where it succeeded.

        Raises:
            ClusterError: Somebody deleted it, or its pods did not run in time.
            SettingsError: The time limit was reached.
        """
        known: dict[str, Object] = {}
        while True:
            job, pods = self.look()
            uid = job["metadata"]["uid"]
            self.logs.watch(pods)
            if condition(job, "Succeeded"):
                self.logs.close(10)
                return None
            if is_suspended(job):
                known.clear()
            elif condition(job, "Failed") or any(end_of(pod) for pod in pods):
                return self.settle(uid, pods)
            elif lost := lost_pod(known, pods) or overdue_pod(pods):
                name, told = lost["metadata"]["name"], "deletionTimestamp" in lost["metadata"]
                return Failure(f"pod {name} was deleted, or its node is lost", name, STOPPED if told else None)
            self.keep_time(job, pods)
            time.sleep(POLL)

    def look(self) -> tuple[Object, list[Object]]:
        """The job and its pods as they are now, once the API server answers; and note that somebody looks.

        Raises ClusterError where it is gone, or no answer came for OUTAGE seconds.
        """
        until = time.monotonic() + OUTAGE
        while True:
            try:
                self.heartbeat()
                found = self.cluster.get(self.path)
                if found is None or "deletionTimestamp" in found["metadata"]:
                    raise ClusterError(f"the job {self.task.name} was deleted by somebody else while it was followed")
                return found, pods_of(self.cluster, self.task.name, found["metadata"]["uid"])
            except AwayError as error:
                if time.monotonic() > until:
                    raise
                log.warning("%s: %s; the job goes on, and is looked at again", self.task.task, error)

    def heartbeat(self) -> None:
        """Note that somebody follows the job, for `platen reap`."""
        if time.monotonic() - self.last_heartbeat < HEARTBEAT:
            return
        self.last_heartbeat = time.monotonic()
        self.annotate(FOLLOWED, time.time())

    def annotate(self, name: str, seconds: float) -> None:
        """Note a time at the job; nothing where it is gone."""
        try:
            self.cluster.merge(self.path, {"metadata": {"annotations": {name: timestamp(seconds)}}})
        except RefusedError as error:
            if error.status != 404:
                raise

    def keep_time(self, job: Object, pods: Sequence[Object]) -> None:
        """Hold the two limits: until all pods run, and until training ends."""
        now = time.monotonic()
        if sum(map(has_started, pods)) < self.settings.nodes:
            self.waiting = self.waiting or now
            if now - self.waiting > self.settings.schedule_seconds:
                self.give_up_waiting(job, pods)
            return
        self.waiting = None
        if self.started is None:
            self.started = time.time()
            self.annotate(STARTED, self.started)
        if self.seconds_left() < 0:
            self.stop_in_time(job["metadata"]["uid"])

    def give_up_waiting(self, job: Object, pods: Sequence[Object]) -> None:
        """Delete a job whose pods did not run in time. Raises ClusterError with the reason."""
        why = pending_reason(self.cluster, job, pods, self.settings.nodes)
        self.remove(job["metadata"]["uid"])
        raise ClusterError(
            f"training did not start: after {self.settings.schedule_seconds} s (train.job.schedule_seconds) "
            f"{sum(map(has_started, pods))} of {self.settings.nodes} pods ran. {why}"
        )

    def stop_in_time(self, uid: str) -> None:
        """Have all ranks save a checkpoint and end. Raises SettingsError."""
        limit = self.settings.max_seconds
        log.info("%s: the time limit of %d s is reached; stopping at a checkpoint", self.task.task, limit)
        self.remove(uid)
        raise SettingsError(
            "train.job.max_seconds",
            f"training was stopped after {limit} s, with a checkpoint of step {self.workload.newest_step()}",
            "more seconds; training then goes on from that step",
        )

    def settle(self, uid: str, pods: Sequence[Object]) -> Failure:
        """Why the job failed, once its other pods have told what they ended with."""
        last: dict[str, Object] = {}
        until = time.monotonic() + SETTLE
        while True:
            self.logs.watch(pods)
            last |= {pod["metadata"]["name"]: pod for pod in pods}
            failure = judge([end for pod in last.values() if (end := end_of(pod))], self.workload.read_error())
            open_ends = any(has_started(pod) and not has_ended(pod) for pod in pods)
            if not open_ends or isinstance(failure.error, UserError) or time.monotonic() > until:
                self.logs.close(5)
                return failure
            time.sleep(POLL / 4)
            pods = pods_of(self.cluster, self.task.name, uid)

    def start_again(self, job: Object, failure: Failure) -> Object:
        """Start all pods again from the newest checkpoint.

        Raises:
            PlatenError: What would only happen again.
            ProcessError: The restart budget is used up.
            SystemExit: The attempt's time budget is used up; whoever asks again goes on from the checkpoint.
        """
        if self.seconds_left() < 0:  # nobody followed it, and its own deadline ended it
            self.stop_in_time(job["metadata"]["uid"])
        step, budget = self.workload.newest_step(), self.settings.restarts
        free = self.attempts.is_free(failure.code, step)
        if failure.final or (self.attempts.used >= budget and not free):
            self.leave_no_pods(job["metadata"]["uid"], failure)
            raise self.ending(failure, step)
        told = Restart(
            attempt=self.attempts.attempt,
            reason=failure.reason,
            pod=failure.pod,
            exit_code=failure.code,
            step=step,
            free=free,
        )
        restarts = (*self.attempts.restarts, told)
        self.attempts = Attempts(attempt=self.attempts.attempt + 1, restarts=restarts)
        counted = "costs no restart" if free else f"restart {self.attempts.used} of {budget}"
        log.warning("%s: %s; starting all pods again from step %d (%s)", self.task.task, failure.reason, step, counted)
        self.remove(job["metadata"]["uid"], patience=self.settings.schedule_seconds)
        return self.cluster.get(self.path) or self.start()  # another launcher may have been first

    def leave_no_pods(self, uid: str, failure: Failure) -> None:
        """Note at a job that fails by itself that its end was told; delete one that lost a pod: it would go on."""
        found = self.cluster.get(self.path)
        if failure.final or (found is not None and condition(found, "Failed")):
            self.annotate(REPORTED, time.time())
        else:
            self.remove(uid)

    def ending(self, failure: Failure, step: int) -> BaseException:
        """What a failure after which nothing is started again is told as."""
        if failure.code == OUT_OF_TIME:
            log.info("%s: %s; asked for again, training goes on from step %d", self.task.task, failure.reason, step)
            return SystemExit(OUT_OF_TIME)
        return failure.error or self.as_error(failure)

    def as_error(self, failure: Failure) -> PlatenError:
        """A failure without an error of its own, with the last lines of the pod to blame."""
        lines = self.logs.last_lines(failure.pod)[-LAST:]
        budget = f", and all {self.settings.restarts} restarts (train.job.restarts) were used" * (not failure.final)
        ending = "; its last lines:" if lines else ""
        return ProcessError("\n".join([f"training failed: {failure.reason}{budget}{ending}", *lines]))

    def remove(self, uid: str, longest: float = math.inf, patience: float = KILLED) -> None:
        """Delete the job, and wait until its pods are gone; those that outstay their grace are killed.

        Args:
            uid: The job's.
            longest: Seconds after which they are killed in any case.
            patience: Seconds that they then have to be gone. A pod on a lost node stays until the node is taken away.

        Raises:
            ClusterError: Pods stay even then.
        """
        self.cluster.delete(self.path, uid=uid)
        left = self.wait_gone(uid, min(self.settings.grace_seconds + 5, longest))
        if left:
            self.kill(left)
            left = self.wait_gone(uid, patience)
        self.logs.close(2)
        if left:
            raise ClusterError(
                f"the pods {', '.join(left)} of {self.task.name} do not end; is their node lost? Delete them "
                "(kubectl delete pod --force), then run again"
            )

    def wait_gone(self, uid: str, seconds: float) -> list[str]:
        """The names of the pods of a job that are there even after some seconds."""
        until = time.monotonic() + seconds
        while True:
            pods = pods_of(self.cluster, self.task.name, uid)
            self.logs.watch(pods)
            if not pods or time.monotonic() > until:
                return [pod["metadata"]["name"] for pod in pods]
            time.sleep(POLL / 4)

    def kill(self, names: Sequence[str]) -> None:
        """Delete pods without waiting for them, where the rights allow it."""
        for name in names:
            log.warning("%s: the pod %s does not end; it is deleted by force", self.task.task, name)
            try:
                self.cluster.call("DELETE", f"{pods_path(self.cluster)}/{name}", {"gracePeriodSeconds": 0})
            except RefusedError as error:
                if error.status != 404:
                    log.warning("%s", error)

    def leave(self) -> None:
        """Let the job run on for the step's next pod; note the time, from which `platen reap` counts."""
        told = (self.task.task, self.task.name)
        log.info("%s: this pod is evicted; the job %s runs on, for the step's next pod to follow", *told)
        self.annotate(FOLLOWED, time.time())

    def cancel(self) -> None:
        """Delete the job because this process was told to end."""
        started = time.monotonic()
        log.info("%s: cancelled; deleting the job %s", self.task.task, self.task.name)
        try:
            job = self.cluster.get(self.path)
            if job is not None:
                self.remove(job["metadata"]["uid"], CANCEL)
        except ClusterError as error:
            log.warning("%s", error)
        else:
            log.info("%s: its pods are gone, after %.0f s", self.task.task, time.monotonic() - started)

    def record(self) -> dict[str, Any]:
        """Return what of the job goes into run.json."""
        restarts = [restart.model_dump() for restart in self.attempts.restarts]
        return {"job": self.spec, "attempts": self.attempts.attempt, "restarts": restarts}


def applied(job: Object) -> Object:
    """A job that was found, as it was applied, with what the server filled in."""
    metadata = {name: job["metadata"].get(name) for name in ("name", "labels", "annotations")}
    return {"apiVersion": job["apiVersion"], "kind": job["kind"], "metadata": metadata, "spec": job["spec"]}
