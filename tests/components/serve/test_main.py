"""What the command line says has the last word over the settings file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from platen.components.serve.main import settings_from
from platen.core.errors import SettingsError, UserError

NOTHING: dict[str, Any] = {"host": None, "port": None, "log": None, "device": None}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.yaml"
    path.write_text("serve: {port: 9000, device: cpu}\ntrain: {steps: 1}\n")
    return path


def test_the_command_line_is_over_the_file_and_the_file_over_the_defaults(file: Path) -> None:
    default = settings_from(None, NOTHING)
    found = settings_from(file, {**NOTHING, "port": 0})
    assert (found.port, found.device, found.host) == (0, "cpu", default.host)
    assert settings_from(file, NOTHING).port == 9000 != default.port


@pytest.mark.parametrize("text", ["", "train: {steps: 1}", "serve:"])
def test_a_file_that_says_nothing_of_serving_leaves_the_defaults(file: Path, text: str) -> None:
    file.write_text(text)
    assert settings_from(file, NOTHING) == settings_from(None, NOTHING)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("serve: {prot: 1}", r"my\.yaml: serve\.prot: unknown setting.*port"),
        ("serve: {queue: many}", r"my\.yaml: serve\.queue"),
        ("serve: [1]", r"my\.yaml: serve"),
        ("serve: true", r"my\.yaml: serve"),
        ("[1]", r"my\.yaml"),
    ],
    ids=["unknown", "no_number", "a_list", "a_word", "no_mapping"],
)
@pytest.mark.parametrize("given", [NOTHING, {**NOTHING, "port": 1}], ids=["file_alone", "with_a_port"])
def test_a_mistake_names_file_and_field(file: Path, text: str, fault: str, given: dict[str, Any]) -> None:
    file.write_text(text)
    with pytest.raises(UserError, match=fault):
        settings_from(file, given)


def test_a_mistake_on_the_command_line_names_no_file() -> None:
    with pytest.raises(SettingsError, match=r"^serve\.port"):
        settings_from(None, {**NOTHING, "port": 70_000})
