"""One rank of a trial: which steps it takes, and what it makes of memory that does not suffice."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from platen.artifacts.encoded import LATENTS
from platen.components.train.batch_size import trial
from platen.components.train.batch_size.memory import Taken
from platen.components.train.batch_size.trial import MEMORY, STEPS, TAKEN, largest_steps, work
from platen.components.train.job import Job, read_error, read_job
from platen.core.errors import InputError
from platen.core.stage import Folder
from platen.jobs.exit_codes import DONE
from tests.components.train.small_run import job, settings


def trainer(sizes: list[int], steps: int) -> SimpleNamespace:
    """One whose batches have latents of these sizes in turn."""
    order = SimpleNamespace(batch=lambda step: [step % len(sizes)] * 2)
    data = SimpleNamespace(read=lambda indices: {LATENTS: [np.zeros(sizes[index]) for index in indices]})
    return SimpleNamespace(settings=SimpleNamespace(steps=steps), order=order, data=data)


@pytest.mark.parametrize(
    ("sizes", "steps", "taken"), [([4, 16, 8], 100, [1, 4]), ([4, 16, 8], 3, [1, 2]), ([4], 1, [0]), ([4, 16], 1, [0])]
)
def test_the_steps_with_the_largest_images_are_tried(sizes: list[int], steps: int, taken: list[int]) -> None:
    assert largest_steps(trainer(sizes, steps)) == taken  # type: ignore[arg-type]
    assert len(taken) <= STEPS


@pytest.fixture
def here(encoded: Folder, base: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setenv("RANK", "1")
    return read_job(job(tmp_path, encoded, base, settings()))


def test_what_it_took_lies_on_the_desk(here: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "measure", lambda *_: Taken(5, 10))
    assert work(here, tmp_path) == DONE
    assert json.loads((tmp_path / TAKEN.format(1)).read_text()) == {"peak": 5, "limit": 10}


@pytest.mark.parametrize(
    ("raised", "code", "left"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), MEMORY, None),
        (MemoryError(), MEMORY, None),
        (InputError("cut"), 2, InputError),
    ],
    ids=["gpu", "host", "another_fault"],
)
def test_want_of_memory_is_an_answer_and_another_fault_an_error(
    raised: Exception, code: int, left: type | None, here: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*_: object) -> Taken:
        raise raised

    monkeypatch.setattr(trial, "measure", measure)
    assert work(here, tmp_path) == code
    assert type(read_error(str(tmp_path))) is (left or type(None))
    assert not (tmp_path / TAKEN.format(1)).exists()
