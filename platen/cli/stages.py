"""Commands that run one stage."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from platen.cli.app import Run, SettingsFile, Workspace, app, parse_input, read_settings
from platen.components.registry import declarations, stage_named


def stage_command(name: str) -> Callable[..., None]:
    """The command that runs one stage on committed folders."""

    def command(
        settings: SettingsFile,
        inputs: Annotated[
            list[str] | None, typer.Option("--input", "-i", help="NAME=URI of a committed folder; repeatable.")
        ] = None,
        workspace: Workspace = "",
        run: Run = "",
    ) -> None:
        from platen.core.records import run_recorded

        text, chosen = read_settings(settings, workspace, run)
        stage = stage_named(name)
        result = run_recorded(stage, text, dict(map(parse_input, inputs or [])), chosen.workspace, chosen.run)
        typer.echo(result.folder.uri)
        if stage.conclude is not None:
            stage.conclude(result, chosen.run)

    return command


for stage_name, declared in declarations().items():
    if declared.command:
        name_of_command = stage_name.replace("_", "-")
        app.command(name_of_command, help=declared.summary, rich_help_panel="Stages")(stage_command(stage_name))


@app.command(help=declarations()["notify"].summary, rich_help_panel="Stages")
def notify(settings: SettingsFile, workspace: Workspace = "", run: Run = "") -> None:
    """Summarize a run: summary.json, report.html, the webhook."""
    from platen.components.notify.notice import notify as give_notice

    text, chosen = read_settings(settings, workspace, run)
    give_notice(text, chosen.workspace, chosen.run)


@app.command(help=declarations()["sample"].summary, rich_help_panel="Stages")
def sample(
    folder: Path,
    seed: Annotated[int | None, typer.Option(help="Seed of the drawings.")] = None,
    pictures: Annotated[int | None, typer.Option(help="Number of clean images.")] = None,
) -> None:
    """Draw the sample world: captioned images with planted faults, and their ground truth."""
    from platen.components.sample.draw import draw
    from platen.components.sample.settings import SampleSettings
    from platen.core.settings import build

    given = {name: value for name, value in (("seed", seed), ("pictures", pictures)) if value is not None}
    draw(build(SampleSettings, given, "command line"), folder)
    typer.echo(folder)


@app.command(help=declarations()["serve"].summary, rich_help_panel="Stages")
def serve(
    settings: Annotated[
        Path | None, typer.Option("--settings", "-s", help="A settings file; without it, defaults.")
    ] = None,
    workspace: Annotated[
        str | None, typer.Option("--workspace", "-w", help="Serve the live model of this workspace.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="URI of a committed model to serve instead.")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for any free one; overrides the settings.")] = None,
) -> None:
    """Serve a model: the OpenAI images API, a page at /, metrics."""
    from platen.components.serve.main import settings_from

    chosen = settings_from(settings, {"port": port})
    from platen.components.serve.server import run as run_server  # after the settings: a mistyped one is told at once

    sys.exit(run_server(chosen, model, workspace))


@app.command(rich_help_panel="Stages")
def preflight(settings: SettingsFile, workspace: Workspace = "", run: Run = "") -> None:
    """Check that every stage of a run will find what it needs."""
    from platen.pipelines.preflight.task import run_recorded

    text, chosen = read_settings(settings, workspace, run)
    run_recorded(text, chosen.workspace, chosen.run)


@app.command(help=declarations()["plan"].summary, rich_help_panel="Stages")
def plan(
    settings: SettingsFile,
    inputs: Annotated[
        list[str] | None, typer.Option("--input", "-i", help="base=URI and encoded=URI of committed folders.")
    ] = None,
    workspace: Workspace = "",
    run: Run = "",
) -> None:
    """Forecast the memory, time and cost of training, and choose how to run it; prints a table and a folder."""
    from platen.components.plan.settings import of_run
    from platen.components.plan.stage import STAGE, TABLE
    from platen.core.records import run_recorded

    text, chosen = read_settings(settings, workspace, run)
    text = of_run(text, use=True)
    result = run_recorded(STAGE, text, dict(map(parse_input, inputs or [])), chosen.workspace, chosen.run)
    typer.echo((result.folder.path / TABLE).read_text())
    typer.echo(result.folder.uri)


@app.command(name="batch-size", rich_help_panel="Stages")
def batch_size(
    settings: SettingsFile,
    inputs: Annotated[list[str], typer.Option("--input", "-i", help="encoded=URI and base=URI of committed folders.")],
    memory_gib: Annotated[
        float | None,
        typer.Option(min=0.1, help="GiB that a rank may use; default: the GPU's, or its share of the host's."),
    ] = None,
    workspace: Workspace = "",
) -> None:
    """Find the largest micro-batch of train that leaves a fifth of memory free, by trial; prints the setting."""
    from platen.components.train.batch_size.find import find, told
    from platen.components.train.stage import STAGE
    from platen.core.stage import open_folder, wanted_inputs

    chosen = read_settings(settings, workspace)[1]
    named = wanted_inputs(STAGE, dict(map(parse_input, inputs)))
    opened = {name: open_folder(named[name], chosen.workspace) for name in STAGE.inputs}
    limit = None if memory_gib is None else int(memory_gib * 2**30)
    typer.echo(told(find(chosen.train, opened, limit), chosen.train))
