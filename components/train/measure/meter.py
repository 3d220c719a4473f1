"""What a rank measures while it trains."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import deepspeed
import psutil
import torch
import torch.distributed as dist

from platen.artifacts.training_run import Measured
from platen.components.train.job import Job
from platen.components.train.measure.clock import CHECKPOINT, COMMUNICATION, DATA, Clock, Window
from platen.components.train.measure.collectives import Collectives
from platen.components.train.measure.flops import TERA, peak_flops
from platen.components.train.measure.ledger import Ledger
from platen.components.train.measure.links import probe_links, slow_links
from platen.components.train.measure.memory import StepPeak, bytes_by_part
from platen.components.train.measure.prometheus import Metrics
from platen.components.train.measure.report import Report
from platen.components.train.measure.scalars import Scalars
from platen.components.train.measure.trace import Tracer
from platen.components.train.optimization.ema import Ema
from platen.components.train.parallel.zero import host_group

__all__ = ["CHECKPOINT", "COMMUNICATION", "DATA", "Meter"]

ACTIVATIONS = "activations"


class Meter:
    """Measures a rank's steps, and at the end of a window all ranks' together. Made by all ranks together.

    Args:
        job: Its records get what is written.
        desk: Folder of this node for files on their way to a bucket.
        device: Where this rank trains.
        flops: Counts those of a sample; asked on rank 0.
    """

    def __init__(self, job: Job, desk: Path, device: torch.device, flops: Callable[[], int | None]) -> None:
        self._job, self._desk, self._device, self._flops = job, desk, device, flops
        self._group = host_group()
        self._clock = Clock()
        self._collectives = Collectives(self._clock, device)
        self._tracer = Tracer(job.settings.measure.trace, job.records, desk, dist.get_rank())
        self._peak = StepPeak(device)
        self._standing: dict[str, int] = {}
        self._on_device = 0
        self._steps = 0
        self._report: Report | None = None

    def begin(self, ema: Ema, first: int) -> None:
        """The first step of an attempt is next; `first` are done. Collective."""
        self._ema = ema
        nodes = self._everyones(node_name())
        if dist.get_rank() == 0:
            self._report = self._open_report(nodes, first)
        if self._job.settings.measure.probe_links_mib:
            links = slow_links(probe_links(self._job.settings.measure.probe_links_mib, self._device), nodes)
            if self._report:
                self._report.name_links(links)
        self._collectives.watch(deepspeed.comm.comm.cdb)
        self._tracer.listen()
        dist.barrier(group=self._group)
        self._clock.start()

    def _open_report(self, nodes: list[str], first: int) -> Report:
        job, chosen = self._job, self._job.settings.measure
        ledger, metrics = Ledger(job.shared), Metrics()
        peak = chosen.peak_tflops * TERA if chosen.peak_tflops else peak_flops(self._device, job.settings.precision)
        scalars = Scalars(job.records, self._desk, first) if chosen.tensorboard else None
        ledger.begin(psutil.Process().create_time(), first)
        metrics.begin(len(ledger.attempts), job.settings.steps)
        if chosen.port:
            metrics.serve(chosen.port)
        return Report(job.settings, nodes, ledger, metrics, scalars, self._flops(), peak)

    def step(self, step: int) -> None:
        """A step begins (from 0), and the one before is over."""
        self._peak.end()
        self._tracer.step(step)
        if self._steps == 1 and not self._tracer.runs:  # the first one is not typical
            self._peak.begin()
        self._collectives.begin_step(first=self._clock.steps == 0)
        self._clock.step()
        self._steps += 1
        if self._report and self._steps > 1:
            self._report.metrics.stepped(self._job.settings.global_batch)

    def waiting(self, part: str) -> AbstractContextManager[None]:
        """While this lasts, DATA, COMMUNICATION or CHECKPOINT is waited for.

        With a GPU, what the process waits for says nothing of other ranks: the GPU goes on meanwhile.
        """
        if part == COMMUNICATION and self._device.type == "cuda":
            return nullcontext()
        return self._clock.waiting(part)

    def tell(self, losses: Sequence[float | None], *, saves: bool) -> None:
        """A window ends; `losses` are those of all steps done, `saves` says that a checkpoint is next. Collective."""
        self._peak.end()
        self._collectives.end_window(self._clock.steps)
        window = self._clock.end()
        memory = self._memory()
        with self.waiting(COMMUNICATION):
            ranks = self._gather([*window.numbers(), *memory.values()])
        if self._report:
            windows = [Window.of(numbers) for numbers in ranks]
            largest = (max(of[Window.SIZE + place] for of in ranks) for place in range(len(memory)))
            most = {name: int(size) for name, size in zip(memory, largest, strict=True)}
            self._report.tell(windows, most, losses, write=saves)

    def _memory(self) -> dict[str, int]:
        """Bytes by part; what stands is counted once, after the first steps have made it."""
        if not self._standing:
            self._standing = bytes_by_part(self._ema)
            self._on_device = sum(bytes_by_part(self._ema, self._device.type).values())
        beyond = self._peak.beyond(self._on_device)
        return {**self._standing, ACTIVATIONS: beyond or 0}

    def _gather(self, mine: Sequence[float]) -> list[list[float]]:
        """The numbers of every rank, on rank 0."""
        sent = torch.tensor(mine, dtype=torch.float64)
        received = [torch.empty_like(sent) for _ in range(dist.get_world_size())] if dist.get_rank() == 0 else None
        dist.gather(sent, received, group=self._group)
        return [numbers.tolist() for numbers in received or []]

    def _everyones(self, mine: str) -> list[str]:
        said = [""] * dist.get_world_size()
        dist.all_gather_object(said, mine, group=self._group)
        return said

    def end(self, losses: Sequence[float | None]) -> None:
        """The last step is over, and its checkpoint saved. Collective."""
        self._tracer.end()
        self.tell(losses, saves=True)

    def summary(self) -> Measured:
        """Return what run.json says of it, from rank 0."""
        return self._report.summary() if self._report else Measured()


def node_name() -> str:
    """Where this rank runs: the node, where Kubernetes tells it, and the host, which is the pod."""
    return "/".join(filter(None, [os.environ.get("PLATEN_NODE"), socket.gethostname()]))
