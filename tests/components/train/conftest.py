from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from platen.components.train.stage import STAGE
from platen.core.stage import Folder, run_stage
from tests.components.train.small_run import commit, settings, write_base, write_encoded


@pytest.fixture(scope="session")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return commit(write_encoded, tmp_path_factory.mktemp("inputs"), "encode", "encoded")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return commit(write_base, tmp_path_factory.mktemp("inputs"), "base", "model")


@pytest.fixture(autouse=True)
def own_scratch(scratch: Path) -> Path:
    """No test here works in the machine's own PLATEN_SCRATCH."""
    return scratch


@pytest.fixture(scope="session")
def two_ranks(encoded: Folder, base: Folder, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The model of an uninterrupted run on two ranks."""
    inputs = {"encoded": encoded.uri, "base": base.uri}
    return run_stage(STAGE, settings(), inputs, str(tmp_path_factory.mktemp("two-ranks"))).folder


@pytest.fixture
def one_rank() -> Iterator[None]:
    """This process as the only rank of a group."""
    import torch.distributed as dist

    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()
