"""Try micro-batches, each in processes of its own, and say which is the largest that leaves some memory free."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from platen.artifacts.encoded import EncodedDataset
from platen.components.train.batch_size.memory import Taken
from platen.components.train.batch_size.search import largest_fitting, sizes
from platen.components.train.batch_size.trial import LIMIT, MEMORY, TAKEN
from platen.components.train.job import JOB, Job, clear_error, encode, read_error
from platen.components.train.node.worker import Node, environment, node_folder, torchrun
from platen.components.train.settings import TrainSettings
from platen.core.errors import ProcessError, SettingsError
from platen.core.processes import follow
from platen.core.stage import Folder
from platen.core.storage import write_file
from platen.core.telemetry import PLAIN, log

FILL = 0.8  # of a rank's memory: the rest is for fragmentation, and for steps that are not like these
KILLED = -9  # by the kernel, for want of memory


@dataclass(frozen=True)
class Found:
    """The micro-batch to set, what it took, and what kept it from being larger."""

    micro_batch: int
    taken: Taken
    limit: Literal["memory", "global_batch", "samples"]


def find(settings: TrainSettings, inputs: Mapping[str, Folder], limit: int | None = None) -> Found:
    """Search by trying on this machine.

    Args:
        settings: Of the training; its micro_batch is what is searched for.
        inputs: `encoded` and `base`.
        limit: Bytes that a rank may take; None: the GPU's memory, or the ranks' equal share of the machine's.

    Raises:
        SettingsError: Not even one sample fits.
        PlatenError: What a rank raised for another reason than memory.
    """
    here = on_this_machine(settings)
    own = here.global_batch // here.ranks
    samples = len(EncodedDataset(inputs["encoded"].path)) // here.ranks
    took: dict[int, Taken | None] = {}

    def fits(size: int) -> bool:
        took[size] = taken = attempt(here, inputs, size, limit)
        log.info("batch-size: micro_batch %d: %s", size, "more than there is" if taken is None else taken)
        return taken is not None and taken.share <= FILL

    tried = sizes(own, samples)
    found = largest_fitting(tried, fits)
    taken = took.get(found) if found is not None else None
    if found is None or taken is None:
        raise _nothing_fits(here, took.get(1))
    if found < tried[-1]:
        return Found(found, taken, "memory")
    return Found(found, taken, "global_batch" if found == own else "samples")


def on_this_machine(settings: TrainSettings) -> TrainSettings:
    """The same training on one machine: of a job's nodes this is one."""
    ranks = settings.ranks if settings.job is None else settings.job.processes_per_node
    own = settings.global_batch // settings.ranks
    return settings.model_copy(update={"job": None, "planned_for": None, "ranks": ranks, "global_batch": own * ranks})


def attempt(settings: TrainSettings, inputs: Mapping[str, Folder], size: int, limit: int | None) -> Taken | None:
    """What the rank that took most took with a micro-batch; None where memory did not suffice."""
    rounds = min(2, settings.global_batch // (settings.ranks * size))  # several micro-batches a step take more than one
    changed = {"micro_batch": size, "global_batch": size * settings.ranks * rounds}
    node = Node(count=1, index=0, processes=settings.ranks)
    with node_folder(f"batch-size-{os.getpid()}", 0) as desk:
        paths = {name: str(folder.path.resolve()) for name, folder in inputs.items()}
        job = Job(
            settings=settings.model_copy(update=changed),
            shared=str(desk / "shared"),
            records=str(desk / "records"),
            **paths,
        )
        write_file(desk / JOB, encode(job))
        clear_error(job.shared)
        told = {**environment(settings), "PLATEN_LOG": PLAIN, LIMIT: "" if limit is None else str(limit)}
        with torchrun(desk, node, told, "platen.components.train.batch_size.trial") as process:
            last = follow(process.stdout, _quiet) if process.stdout else []
        if process.returncode == 0:
            ranks = [json.loads(path.read_bytes()) for path in desk.glob(TAKEN.format("*"))]
            return max((Taken(**rank) for rank in ranks), key=lambda taken: taken.share)
        _check_memory(desk, job, last)
        return None


def _quiet(line: str) -> None:
    log.debug("%s", line)


def _check_memory(desk: Path, job: Job, last: list[str]) -> None:
    """Raise what ranks ended with, unless that was want of memory."""
    report = desk / "report.json"
    codes = json.loads(report.read_bytes()).values() if report.exists() else ()
    if MEMORY in codes or KILLED in codes:
        return
    raise read_error(job.shared) or ProcessError("a trial failed; its last lines:\n" + "\n".join(last[-15:]))


def _nothing_fits(settings: TrainSettings, taken: Taken | None) -> SettingsError:
    problem = f"not even 1 sample at once takes {FILL:.0%} of memory or less ({taken or 'it takes more than there is'})"
    ways = ["more ranks", "train.zero.stage: 3", "train.preset: offload"]
    ways += [] if settings.gradient_checkpointing else ["train.gradient_checkpointing: true"]
    return SettingsError("train.micro_batch", problem, ", or ".join(ways))


def told(found: Found, settings: TrainSettings) -> str:
    """The setting to write, with what was found as a comment above it."""
    limits = {
        "memory": f"memory: the next larger one that divides the batch takes more than {FILL:.0%}",
        "global_batch": f"the global batch: {found.micro_batch} samples are all of a rank's share of a step",
        "samples": "the number of samples: a larger one would hold some twice",
    }
    lines = [f"# limit: {limits[found.limit]}", f"# taken: {found.taken}"]
    if settings.job is not None and settings.job.nodes > 1:
        lines.append(f"# tried on one node of {settings.job.nodes}: with all of them, less of the model lies on a rank")
    return "\n".join([*lines, "train:", f"  micro_batch: {found.micro_batch}"])
