"""What tests of several stages share."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from platen.core.stage import Folder
from tests.tiny_model import commit_tiny_model

if TYPE_CHECKING:
    from xdist.remote import Producer

    from tests.scheduling import ByFile

# How long a machine takes is not a fault of the code. The same examples each time: a change is not to fail by what it
# did not touch; `make explore` looks at others.
hypothesis.settings.register_profile("platen", deadline=None, derandomize="EXPLORE" not in os.environ)
hypothesis.settings.load_profile("platen")


@pytest.hookimpl(optionalhook=True)  # pytest-xdist's
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Whole files to each process, training's to one."""
    from tests.scheduling import ByFile

    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that no process is left with one in the end; soak tests wait for SOAK."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        soak = item.get_closest_marker("soak")
        if soak and "SOAK" not in os.environ:
            item.add_marker(pytest.mark.skip(reason=f"{soak.args[0]}: make soak"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A committed model folder, made once a session: read it, do not write into it. See tests/tiny_model.py."""
    return commit_tiny_model(str(tmp_path_factory.mktemp("tiny")))


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PLATEN_SCRATCH, of this test alone."""
    folder = tmp_path / "scratch"
    monkeypatch.setenv("PLATEN_SCRATCH", str(folder))
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Let torch use one thread: on models this small more only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """An empty bucket on the storage emulator, as gs://NAME; tests take a prefix of their own in it."""
    if not os.environ.get("STORAGE_EMULATOR_HOST"):
        pytest.skip("no storage emulator: set STORAGE_EMULATOR_HOST")
    from platen.core.storage.client import client
    from platen.core.storage.gcs import GcsStore

    made = client().create_bucket(f"platen-test-{uuid.uuid4().hex[:12]}", project="test")
    yield f"gs://{made.name}"
    store = GcsStore()
    for name in store.list(f"gs://{made.name}"):
        store.remove(f"gs://{made.name}/{name}")
    made.delete()


@pytest.fixture
def prefix(bucket: str, scratch: Path) -> str:
    """A prefix that nothing lies below, and a scratch folder to go with it."""
    return f"{bucket}/{uuid.uuid4().hex[:8]}"
