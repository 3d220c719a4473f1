from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="session")
def gpu() -> str:
    """The device that these tests are about, as torch names it."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU: make gpu-check")
    return "cuda"
