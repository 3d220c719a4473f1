"""What the stage refuses before it starts a process."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from platen.artifacts.metadata import EncodedMetadata
from platen.components.train.stage import STAGE
from platen.core.errors import InputError, PlatenError, SettingsError
from platen.core.settings import Settings
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage, run_stage
from tests.components.train.small_run import settings, write_encoded


def encoded(workspace: Path, train: int, **facts: Any) -> Folder:
    """An encoded folder that says that it has so many training samples."""

    def work(_: Settings, inputs: Inputs, place: Place) -> Outcome:
        write_encoded(place.out)
        return Outcome(
            facts=EncodedMetadata(text="embeddings", resolution=64, splits={"train": train}, **facts).facts()
        )

    return run_stage(Stage("encode", 1, "encoded", Settings, {}, work), Settings(), {}, str(workspace)).folder


@pytest.mark.parametrize(
    ("train", "chosen", "kind", "told"),
    [
        (
            3,
            {"ranks": 4},
            SettingsError,
            r"train\.ranks: 4, but .* has 3 samples in the split 'train'\. Accepted: at most 3",
        ),
        (7, {}, SettingsError, r"train\.global_batch: 8, but .* has 7 samples.*Accepted: at most 7"),
        (0, {}, InputError, r"no sample in the split 'train'; see merge\.split"),
        (50, {"data": {"weights": {"picture": 1}}}, SettingsError, r"train\.data\.weights: 'picture'.*pictures"),
    ],
)
def test_settings_that_the_samples_do_not_suffice_for(
    tmp_path: Path, base: Folder, train: int, chosen: dict[str, Any], kind: type[PlatenError], told: str
) -> None:
    inputs = {"encoded": encoded(tmp_path, train).uri, "base": base.uri}
    with pytest.raises(kind, match=told):
        run_stage(STAGE, settings(**chosen), inputs, str(tmp_path))


def test_sizes_with_fewer_pictures_than_a_batch_are_told(
    tmp_path: Path, base: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    folder = encoded(tmp_path, 50, sizes={"64x64": 48, "32x128": 2})
    with caplog.at_level(logging.WARNING, "platen"), pytest.raises(SettingsError):
        run_stage(
            STAGE, settings(data={"weights": {"picture": 1}}), {"encoded": folder.uri, "base": base.uri}, str(tmp_path)
        )
    assert "(2 of 32x128)" in caplog.text
