from __future__ import annotations

import pytest
import torch

from platen.core.devices import fixed_threads, pick_device
from platen.core.errors import InputError


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_refused_by_the_setting_s_name() -> None:
    assert pick_device("auto", "encode.device") == "cpu"
    with pytest.raises(InputError, match=r"encode\.device: 'cuda'.*Accepted: auto, cpu"):
        pick_device("cuda", "encode.device")


def test_threads_are_fixed_and_given_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), fixed_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise RuntimeError
    assert torch.get_num_threads() == before
