"""A training as the work of a job on Kubernetes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platen.artifacts.metadata import EncodedMetadata
from platen.artifacts.training_run import TrainingRun
from platen.components.train.checkpoints.resumable import check_resumable
from platen.components.train.cluster.disks import disk_use
from platen.components.train.job import (
    RESULT,
    absolute,
    clear_error,
    committed_steps,
    read_error,
    read_job,
    run_id,
)
from platen.components.train.settings import TrainSettings
from platen.core.errors import PlatenError, ProcessError
from platen.core.manifest import canonical
from platen.core.stage import Folder, Place, open_folder
from platen.core.storage import join, store_for
from platen.families.registry import family_of
from platen.jobs import launch as jobs
from platen.jobs.workload import Task


def launch(job_uri: str, settings: TrainSettings, place: Place) -> None:
    """Have a job on Kubernetes train, and wait for its end.

    Args:
        job_uri: What the pods are to do (job.write_job).
        settings: With `job` set.
        place: Its shared place names the job.

    Raises what platen.jobs.launch.launch does; ProcessError if `job` is not set.
    """
    if settings.job is None:
        raise ProcessError("launch: train.job is not set")
    workspace, ranks = absolute(place.workspace), settings.job.processes_per_node
    training = Training(job_uri, absolute(place.shared), workspace, ranks, settings.metrics_port)
    place.observe(**TrainingRun(**jobs.launch(training, settings.job, workspace)).notes())


@dataclass(frozen=True)
class Training:
    """One training; a Workload.

    Attributes:
        job_uri: What the pods are to do.
        shared: Where it keeps its checkpoints.
        workspace: Below which it writes.
        ranks: Of one pod.
        port: Where rank 0 serves its metrics; None: nowhere.
    """

    job_uri: str
    shared: str
    workspace: str
    ranks: int = 1
    port: int | None = None

    @property
    def task(self) -> Task:
        """The name of the job, and what its pods run."""
        return training_task(self.shared, self.job_uri, self.port)

    def check(self) -> None:
        """Raise InputError if there are checkpoints that it cannot or must not be resumed from."""
        check_resumable(read_job(self.job_uri))

    def probe_command(self) -> Sequence[str]:
        """Return what tries the workspace and the disks in a pod. Raises InputError where the inputs are not there."""
        job = read_job(self.job_uri)
        encoded, base = (open_folder(uri) for uri in (job.encoded, job.base))
        as_tokens = EncodedMetadata.of(encoded).as_tokens
        parts = family_of(base.part("model_index.json")).trained_parts(with_text_encoder=as_tokens)
        needed = disk_use(job.settings, encoded.manifest.files, base.manifest.files, parts, self.ranks)
        return ["python", "-m", "platen.components.train.cluster.probe", self.workspace, *map(str, needed)]

    def is_finished(self) -> bool:
        """Return whether it is done: its result is the last thing that it writes."""
        return store_for(self.shared).read(join(self.shared, RESULT)) is not None

    def newest_step(self) -> int:
        """Return the step of the newest checkpoint; 0 if there is none."""
        return next(committed_steps(self.shared), 0)

    def read_error(self) -> PlatenError | None:
        """Return the error that a rank left behind; None if none did."""
        return read_error(self.shared)

    def clear_error(self) -> None:
        """Forget the error of the attempt before."""
        clear_error(self.shared)


def training_task(shared: str, job_uri: str, port: int | None = None) -> Task:
    """Describe the job of the training at `shared`: one URI, one name, so that two launchers never make two jobs.

    The URI holds the workspace and the fingerprint, so that it stands for run and task alike.
    """
    run = run_id(shared)
    command = ["python", "-m", "platen.components.train.node.worker", job_uri]
    return Task(f"train-{run}", run, "train", command, port)


def write_spec(folder: Folder, path: str) -> None:
    """Write the job that a model was trained by, as JSON that kubectl takes; `{}` if it was trained without one."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(canonical(TrainingRun.of(folder).job, indent=1))
