"""A node's part of a job: bring the inputs here, have torchrun run the node's ranks, tell how they ended.

python -m platen.components.train.node.worker JOB_URI     the one process of a training pod
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from platen.artifacts.encoded import EncodedRecord
from platen.components.train.job import (
    BEGAN_AT,
    JOB,
    Job,
    absolute,
    encode,
    leave_error,
    read_job,
)
from platen.components.train.models.tensors import tensor_sizes
from platen.components.train.node.nvme import needed_bytes, nvme_folder
from platen.components.train.settings import TrainSettings
from platen.core.errors import CorruptError, InputError, PlatenError
from platen.core.processes import follow, start
from platen.core.stage import open_folder
from platen.core.storage import saving, scratch, write_file
from platen.core.telemetry import log, set_up_logging
from platen.families.registry import family_of
from platen.jobs.exit_codes import DONE, LOST_PEER, OURS, OUT_OF_TIME, STOPPED, USERS

NOISE = ("[WARNING]", "[INFO]", "[W", "INFO ", "built successfully")
RANK = "platen.components.train.rank.main"
PREFIX = "[rank ${rank}] "  # torchrun fills it in


@dataclass(frozen=True)
class Node:
    """A machine of a job: which of how many, its ranks, and where the first one is; None for one machine alone."""

    count: int
    index: int
    processes: int
    master: tuple[str, str] | None = None

    @staticmethod
    def from_environment() -> Node:
        """As the training operator tells it. Raises InputError where it does not."""
        names = ("NNODES", "NODE_RANK", "NPROC_PER_NODE", "MASTER_ADDR", "MASTER_PORT")
        try:
            count, index, processes, address, port = (os.environ[f"PET_{name}"] for name in names)
            return Node(int(count), int(index), int(processes), (address, port))
        except (KeyError, ValueError) as error:
            raise InputError(
                f"the environment does not say which node of a PyTorchJob this is ({error}); "
                f"needed are numbers in PET_NNODES, PET_NODE_RANK and PET_NPROC_PER_NODE, and PET_MASTER_ADDR and _PORT"
            ) from None

    @property
    def arguments(self) -> list[str]:
        """What torchrun must be told of it."""
        ranks = [f"--nproc-per-node={self.processes}"]
        if self.master is None:
            # by an address: torchrun waits without a word where the machine's own name leads nowhere
            return ["--standalone", "--local-addr=127.0.0.1", *ranks]
        address, port = self.master
        nodes = [f"--nnodes={self.count}", f"--node-rank={self.index}"]
        return [*nodes, *ranks, f"--master-addr={address}", f"--master-port={port}"]


@dataclass(frozen=True)
class NodeResult:
    """How the ranks of a node ended: the exit code that tells most, and their last lines."""

    code: int
    last: list[str]


def main(uri: str) -> NoReturn:
    """Run this pod's node; the exit code says whether another attempt makes sense."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(STOPPED))  # the first process of a pod has no default
    set_up_logging()
    shared = absolute(uri).rpartition("/")[0]
    try:
        job, node = read_job(uri), Node.from_environment()
        ended = run_node(job, node, tell)
    except PlatenError as error:
        leave_error(shared, error)
        log.error("%s", error)
        sys.exit(error.exit_code)
    log.info("the ranks of this node ended with %d", ended.code)
    sys.exit(ended.code)


def tell(line: str) -> None:
    """A line of a rank into the pod's log."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run_node(job: Job, node: Node, say: Callable[[str], None], env: dict[str, str] | None = None) -> NodeResult:
    """Run a node's ranks to their end; SIGTERM is passed on to them.

    Args:
        job: The job, its inputs anywhere.
        node: Which node this is.
        say: Gets each line of the ranks.
        env: More environment for them.
    """
    if node.count * node.processes != job.settings.ranks:
        raise InputError(
            f"{node.count} nodes with {node.processes} processes each are not the {job.settings.ranks} of train.ranks"
        )
    began = str(time.time())  # the time budget counts from here
    zero, inputs = job.settings.zero, {name: fetch(job, name) for name in job.digests}
    parameters = count_parameters(Path(inputs["base"]), Path(inputs["encoded"])) if zero.uses_nvme else 0
    needed = needed_bytes(job.settings, parameters, node.processes)
    with node_folder(job.shared, node.index) as desk, nvme_folder(zero, desk.name, needed) as own:
        settings = job.settings.model_copy(update={"zero": own})
        here = job.model_copy(update={"settings": settings, **inputs})
        write_file(desk / JOB, encode(here))
        env = {**environment(job.settings), BEGAN_AT: began, **(env or {})}
        with passing_on() as relay, torchrun(desk, node, env) as process:
            relay.watch(process)
            last = follow(process.stdout, lambda line: say_useful(line, say)) if process.stdout else []
        return NodeResult(exit_code(process.returncode, desk / "report.json", node, told=relay.told), last)


def count_parameters(base: Path, encoded: Path) -> int:
    """Count the numbers that are trained on, by the headers of the base's files."""
    with_text_encoder = EncodedRecord.read(encoded).text == "tokens"
    parts = family_of(base).weight_files(base, with_text_encoder=with_text_encoder)
    return sum(sum(tensor_sizes(file)) for files in parts.values() for file in files)


@contextmanager
def node_folder(shared: str, index: int) -> Iterator[Path]:
    """This node's own folder for the run, without what a killed attempt left there."""
    name = hashlib.sha256(shared.encode()).hexdigest()[:12]
    desk = scratch() / f"train-{name}-{index}"
    shutil.rmtree(desk, ignore_errors=True)
    with saving(str(desk), "PLATEN_SCRATCH"):
        desk.mkdir(parents=True)
    try:
        yield desk
    finally:
        shutil.rmtree(desk, ignore_errors=True)


def fetch(job: Job, name: str) -> str:
    """An input's folder on this machine. Raises CorruptError where it is not the one that the job was written for."""
    folder = open_folder(getattr(job, name))
    if folder.digest != job.digests[name]:
        raise CorruptError(f"{folder.uri}: digest {folder.digest}; the job was written for {job.digests[name]}")
    return str(folder.path.resolve())


def torchrun(desk: Path, node: Node, env: dict[str, str], rank: str = RANK) -> subprocess.Popen[str]:
    """Start it, under the agent that reports how its ranks ended; `rank` is the module that each of them runs."""
    module = [sys.executable, "-m", "platen.components.train.node.agent", str(desk / "report.json")]
    lines = [f"--log-dir={desk / 'lines'}", "--tee=3"]  # prefixes need a file a rank
    ranks = ["-m", rank, str(desk / JOB)]
    return start([*module, *node.arguments, *lines, *ranks], env)


def environment(settings: TrainSettings) -> dict[str, str]:
    """What the ranks need to be told by environment: threads, DeepSpeed's accelerator, where ninja is, determinism.

    On CPUs torch takes huge pages for its tensors: a step that allocates anew what it freed spends a tenth less time.
    """
    scripts = str(Path(sys.executable).parent)
    return {
        "KINETO_LOG_LEVEL": "6",  # a trace says nothing of its own
        "OMP_NUM_THREADS": str(settings.threads),
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")]),
        "PYTHONUNBUFFERED": "1",
        "TORCHELASTIC_LOG_LINE_PREFIX_TEMPLATE": PREFIX,
        **({} if has_gpu() else {"DS_ACCELERATOR": "cpu", "THP_MEM_ALLOC_ENABLE": "1"}),
        **(deterministic_libraries() if settings.deterministic else {}),
    }


def deterministic_libraries() -> dict[str, str]:
    """What has cuBLAS and NCCL give the same bits each time; what is set already stays."""
    wanted = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "NCCL_ALGO": "Ring"}
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


def has_gpu() -> bool:
    """Whether training will run on a GPU (asked of the driver, without importing torch)."""
    return Path("/proc/driver/nvidia/version").exists() and os.environ.get("CUDA_VISIBLE_DEVICES") != ""


def say_useful(line: str, say: Callable[[str], None]) -> None:
    """Pass on a line, unless it is one of the libraries' standing remarks."""
    if line.strip() and not any(noise in line for noise in NOISE):
        say(line)


class Relay:
    """Passes SIGTERM and SIGUSR1 on to the ranks.

    SIGTERM ends torchrun where it has none yet: there is nothing to save. SIGUSR1 asks for a trace (measure/trace.py).
    """

    def __init__(self) -> None:
        import psutil  # not by the handler: another signal while it is imported would find half a module

        self.told = False
        self._psutil = psutil
        self._torchrun: subprocess.Popen[str] | None = None

    def watch(self, torchrun: subprocess.Popen[str]) -> None:
        """From now on there is somebody to pass it on to."""
        self._torchrun = torchrun
        if self.told:
            self._pass_on(signal.SIGTERM)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if number == signal.SIGTERM:
            self.told = True
        self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        if self._torchrun is None:
            return
        with suppress(self._psutil.NoSuchProcess):
            ranks = self._psutil.Process(self._torchrun.pid).children()
            for rank in ranks:
                rank.send_signal(number)
            if not ranks and number == signal.SIGTERM:
                self._torchrun.kill()


@contextmanager
def passing_on() -> Iterator[Relay]:
    """While this lasts, SIGTERM and SIGUSR1 are the ranks'."""
    relay = Relay()
    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield relay
        return
    before = {number: signal.signal(number, relay) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield relay
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(torchrun: int, report: Path, node: Node, *, told: bool) -> int:
    """The pod's exit code, from torchrun's and from what it reported of its ranks."""
    if torchrun == 0:
        return DONE
    if report.exists():
        return most_telling(json.loads(report.read_bytes()).values())
    if told:
        return STOPPED
    if torchrun < 0:
        return 128 - torchrun
    return LOST_PEER if node.count > 1 else OURS  # no rank was started: the nodes did not find each other


def most_telling(codes: Iterable[int]) -> int:
    """Of the exit codes of a node's ranks (-n for signal n) the one that the others follow from."""
    found = {code if code >= 0 else 128 - code for code in codes}
    if USERS in found:
        return USERS
    milder = [LOST_PEER, OUT_OF_TIME, STOPPED]
    killed = {code for code in found if code > 128}.difference(milder)
    if killed:
        return min(killed)
    own = found.difference(milder)
    return min(own) if own else next(code for code in milder if code in found)


if __name__ == "__main__":
    main(sys.argv[1])
