from __future__ import annotations

import pytest

from platen.components.train.rank.faults import fault_of
from platen.core.errors import InputError, ProcessError, SettingsError
from tests.components.train.small_run import settings

GLOO = (
    "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:25226. "
    "This is typically caused by a remote worker crashing."
)
NCCL = (
    "NCCL error in: ProcessGroupNCCL.cpp:3690, remote process exited or there was a network error\nncclRemoteError: A"
)


def test_a_peer_that_gloo_lost_is_no_error_of_this_rank() -> None:
    fault = fault_of(RuntimeError(GLOO), settings(), "3")
    assert (fault.code, fault.error) == (141, None)
    assert fault.words == f"rank 3 lost another rank: {GLOO}"


@pytest.mark.parametrize("kind", ["DistNetworkError", "DistStoreError", "DistBackendError"])
def test_a_peer_that_the_rendezvous_or_nccl_lost_is_no_error_of_this_rank(kind: str) -> None:
    import torch.distributed as dist

    fault = fault_of(getattr(dist, kind)(NCCL), settings(), "0")
    assert (fault.code, fault.error) == (141, None)


def test_two_ranks_on_one_gpu_are_no_lost_peer() -> None:
    import torch.distributed as dist

    said = "NCCL error: ncclInvalidUsage: Duplicate GPU detected : rank 0 and rank 1 both on CUDA device 1b0"
    fault = fault_of(dist.DistBackendError(said), settings(), "0")
    assert fault.code == 1
    assert "Duplicate GPU" in fault.words


def test_memory_that_does_not_suffice_is_the_users_and_says_what_to_change() -> None:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    fault = fault_of(caught.value, settings(), "1")
    assert fault.code == 2
    assert isinstance(fault.error, SettingsError)
    assert fault.words.startswith("train.micro_batch: 2 samples at once need more memory than rank 1 has (")
    assert fault.words.endswith(
        "Accepted: a smaller one than 2; or with train.gradient_checkpointing: true; or with train.precision: bf16; "
        "or with more ranks than 2, which share weights and optimizer state."
    )


def test_only_what_is_left_to_change_is_named() -> None:
    import torch

    lean = settings(micro_batch=1, gradient_checkpointing=True, precision="bf16")
    fault = fault_of(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."), lean, "0")
    assert fault.words.endswith("Accepted: with more ranks than 2, which share weights and optimizer state.")


def test_errors_raised_on_purpose_keep_class_and_words() -> None:
    fault = fault_of(InputError("no such file"), settings(), "0")
    assert (fault.code, fault.words) == (2, "no such file")
    assert isinstance(fault.error, InputError)


def test_anything_else_is_ours_with_its_traceback() -> None:
    fault = fault_of(KeyError("latents"), settings(), "2")
    assert fault.code == 1
    assert isinstance(fault.error, ProcessError)
    assert fault.words == "rank 2 failed:\nKeyError: 'latents'\n"
