"""Whether what there is is what a plan was made for. Each check says what is wrong in words, or nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from platen.components.train.planned.settings import Hardware
from platen.jobs.settings import JobSettings

LESS = 0.95  # of the memory that its maker names, a driver tells at least this much


@dataclass(frozen=True)
class Gpu:
    """A GPU as its driver describes it."""

    name: str
    memory_gib: float


def job_fault(planned: Hardware, ranks: int, job: JobSettings | None) -> str | None:
    """What settings ask for that is other than planned, before any machine is asked for."""
    if planned.ranks != ranks:
        return f"ranks {ranks}"
    if job is None:
        return None
    if (job.nodes, job.processes_per_node) != (planned.nodes, planned.gpus_per_node):
        return f"job.nodes {job.nodes} with job.processes_per_node {job.processes_per_node}"
    if job.gpu is None:
        return "job.gpu null: CPUs"
    if job.gpu_type is not None and not same_gpu(planned.gpu, job.gpu_type):
        return f"job.gpu_type {job.gpu_type}"
    return None


def machine_fault(planned: Hardware, gpu: Gpu | None, ranks_here: int) -> str | None:
    """What a machine has that is other than planned: its GPU (None: it has none), and how many ranks it runs."""
    if gpu is None:
        return "a machine without a GPU"
    if not same_gpu(planned.gpu, gpu.name) or gpu.memory_gib < LESS * planned.memory_gib:
        return f"a GPU {gpu.name} of {gpu.memory_gib:.1f} GiB"
    if ranks_here != planned.gpus_per_node:
        return f"{ranks_here} ranks on a machine, not {planned.gpus_per_node}"
    return None


def same_gpu(planned: str, found: str) -> bool:
    """Whether a kind of GPU of the price table (H100-80GB) is what a driver or a node's label tells.

    They tell NVIDIA H100 80GB HBM3, NVIDIA-A100-SXM4-40GB or nvidia-tesla-v100: the model is a word of it, and where
    both name a size in GB it is the same.
    """
    wanted, words = _words(planned), _words(found)
    sizes, other_sizes = _sizes(wanted), _sizes(words)
    return wanted[0] in words and (not sizes or not other_sizes or bool(sizes & other_sizes))


def _words(name: str) -> list[str]:
    return re.split(r"[^A-Z0-9]+", name.upper())


def _sizes(words: list[str]) -> set[str]:
    return {word for word in words if re.fullmatch(r"\d+GB", word)}
