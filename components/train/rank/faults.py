"""What an exception of a rank means: the user's, ours, or that another rank is gone."""

from __future__ import annotations

from dataclasses import dataclass

from platen.components.train.settings import TrainSettings
from platen.core.errors import PlatenError, ProcessError, SettingsError, first_line
from platen.jobs.exit_codes import LOST_PEER

# gloo raises plain RuntimeErrors; each of its messages begins with the place in its source
PEER_WORDS = ("gloo/transport/", "gloo/rendezvous/", "Connection closed by peer", "Connection reset by peer")
OWN_WORDS = ("ncclInvalidUsage", "ncclInvalidArgument", "ncclUnhandledCudaError")  # NCCL's, not for want of a peer
MEMORY_WORDS = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "DefaultCPUAllocator: can't allocate")


@dataclass(frozen=True)
class Fault:
    """What a rank ends with: its exit code, what it says, and the error for the step; none where a peer was lost."""

    code: int
    words: str
    error: PlatenError | None = None


def fault_of(error: Exception, settings: TrainSettings, rank: str) -> Fault:
    """Sort an exception of a rank."""
    if isinstance(error, PlatenError):
        return _own(error)
    if is_lost_peer(error):
        return Fault(LOST_PEER, f"rank {rank} lost another rank: {first_line(error)}")
    if is_out_of_memory(error):
        return _own(out_of_memory(error, settings, rank))
    import traceback

    said = "".join(traceback.format_exception(error))
    return _own(ProcessError(f"rank {rank} failed:\n{said}"))


def _own(error: PlatenError) -> Fault:
    return Fault(error.exit_code, str(error), error)


def is_lost_peer(error: BaseException) -> bool:
    """Whether a collective failed because another rank, or the way to it, is gone."""
    import torch.distributed as dist

    said = str(error)
    if isinstance(error, dist.DistError):
        return not any(word in said for word in OWN_WORDS)
    return isinstance(error, RuntimeError) and any(word in said for word in PEER_WORDS)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, of the GPU or of the machine, did not suffice."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in MEMORY_WORDS)


def out_of_memory(error: BaseException, settings: TrainSettings, rank: str) -> SettingsError:
    """The user's error that says what needs less memory."""
    ways = [f"a smaller one than {settings.micro_batch}"] if settings.micro_batch > 1 else []
    ways += [] if settings.gradient_checkpointing else ["with train.gradient_checkpointing: true"]
    ways += [] if settings.precision == "bf16" else ["with train.precision: bf16"]
    ways += [f"with more ranks than {settings.ranks}, which share weights and optimizer state"]
    return SettingsError(
        "train.micro_batch",
        f"{settings.micro_batch} samples at once need more memory than rank {rank} has ({first_line(error)})",
        "; or ".join(ways),
    )
