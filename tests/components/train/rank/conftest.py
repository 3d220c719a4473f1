from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from platen.core.stage import Folder
from tests.components.train.metadata_server import MetadataServer, serving
from tests.components.train.small_run import commit, write_encoded

POISONED = "1-24"  # sample ids are shard-place


@pytest.fixture
def metadata() -> Iterator[MetadataServer]:
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """An encoded folder in which one sample has an infinite latent."""

    def write(folder: Path) -> None:
        write_encoded(folder)
        shard, place = map(int, POISONED.split("-"))
        latents = np.load(folder / "latents" / f"{shard:05d}.npy")
        latents[place, 0, 0, 0] = np.inf
        np.save(folder / "latents" / f"{shard:05d}.npy", latents)

    return commit(write, tmp_path_factory.mktemp("poisoned"), "encode", "encoded")
