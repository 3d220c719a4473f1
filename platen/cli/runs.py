"""Commands that run or compile whole pipelines on this machine, and print settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platen import __version__
from platen.cli.app import Run, SettingsFile, Workspace, app, read_settings
from platen.core.errors import InputError

if TYPE_CHECKING:
    pass

Docker = Annotated[bool, typer.Option("--docker", help="Run each stage in a container from its own image.")]


@app.command(rich_help_panel="Runs")
def run(
    settings: SettingsFile,
    workspace: Workspace = "",
    run: Run = "",
    docker: Docker = False,
) -> None:
    """Run the content pipeline on this machine."""
    from platen.pipelines.local import run_content

    text, chosen = read_settings(settings, workspace, run)
    run_content(text, chosen.workspace, chosen.run, docker=docker)


@app.command(rich_help_panel="Runs")
def demo(
    settings: SettingsFile = [Path("examples/demo.yaml")],  # noqa: B006 - typer copies it
    workspace: Workspace = "",
    run: Run = "",
    docker: Docker = False,
) -> None:
    """Draw the sample world, serve its web folder, and run the content pipeline on it."""
    from platen.pipelines.demo import run_demo

    text, chosen = read_settings(settings, workspace, run)
    run_demo(text, chosen, docker=docker)


@app.command(name="compile", rich_help_panel="Runs")
def compile_pipelines(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Output folder; default: where the files are committed."),
    ] = None,
    registry: Annotated[
        str | None, typer.Option(help="Registry of the images; default: the names of `make images`.")
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Tag of the images; default: the version.")] = None,
    digests: Annotated[
        Path | None, typer.Option(help="Digests of the images, as written by `make images PUSH=1`.")
    ] = None,
    cluster: Annotated[
        Path | None, typer.Option(help="Resources and placement of the pods, see examples/cluster.yaml.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if the files are out of date.")] = False,
) -> None:
    """Compile the pipelines, and each component by itself, to YAML for Kubeflow Pipelines."""
    from platen.core.images import chosen_images
    from platen.pipelines import compile as compiler

    images, pods = chosen_images(registry, tag, digests), compiler.read_cluster(cluster)
    from platen.pipelines.tasks import Target  # after the files were read: a mistyped one is told at once

    pipelines, components = (
        (Path("pipelines/compiled"), Path("components")) if out is None else (out, out / "components")
    )
    if check:
        compiler.check_compiled(pipelines, Target(images, pods))
        compiler.check_components(components, images)
    else:
        compiler.write_compiled(pipelines, Target(images, pods))
        compiler.write_components(components, images)


@app.command(rich_help_panel="Runs")
def settings(
    check: Annotated[Path | None, typer.Option("--check", help="Only check this file.")] = None,
    preset: Annotated[str | None, typer.Option(help="Only print what this preset of train sets.")] = None,
) -> None:
    """Print every setting with its meaning and default; or check a file."""
    from platen.components.train.presets import PRESETS, preset_text
    from platen.core.settings import document, nearest
    from platen.pipelines.settings import RunSettings

    if preset is not None:
        if preset not in PRESETS:
            raise InputError(f"--preset {preset}: unknown. Accepted: {nearest(preset, PRESETS)}")
        typer.echo(preset_text(preset))
        return
    if check is None:
        typer.echo(document(RunSettings))
        return
    read_settings([check])
    typer.echo(f"{check}: can be used")


@app.command(rich_help_panel="Runs")
def version() -> None:
    """Print the version."""
    typer.echo(__version__)
