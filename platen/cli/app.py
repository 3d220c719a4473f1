"""The command line application, and what its groups of commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platen.core.errors import InputError

if TYPE_CHECKING:
    from platen.pipelines.settings import RunSettings

app = typer.Typer(
    help="From captioned images to a served, monitored and retrained text-to-image model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


SettingsFile = Annotated[
    list[Path],
    typer.Option("--settings", "-s", help="The run's settings, a YAML file; repeatable, later files override."),
]


Workspace = Annotated[
    str, typer.Option("--workspace", "-w", help="Where committed folders are stored; overrides the settings.")
]


Run = Annotated[str, typer.Option("--run", "-r", help="The run's folder, for its records; overrides the settings.")]


def read_settings(paths: Sequence[Path], workspace: str = "", run: str = "") -> tuple[str, RunSettings]:
    """The text of settings files and what it says, with the workspace and run of the command line in their place."""
    from platen.core.settings import build, load_files, mapping
    from platen.pipelines.settings import RunSettings

    text, names = load_files(paths), ", ".join(map(str, paths))
    given = {name: value for name, value in (("workspace", workspace), ("run", run)) if value}
    return text, build(RunSettings, {**mapping(text, names), **given}, names)


def parse_input(given: str, option: str = "--input", value: str = "URI") -> tuple[str, str]:
    """NAME=URI as a pair."""
    name, found, text = given.partition("=")
    if not found:
        raise InputError(f"{option} must have the form NAME={value} (got {given})")
    return name, text
