"""Commands that look at committed folders and releases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platen.cli.app import app, read_settings

if TYPE_CHECKING:
    from platen.components.deploy.deployment_settings import DeploymentSettings

Releases = Annotated[
    str, typer.Option("--workspace", "-w", help="Workspace; default: that of the settings, else runs/workspace.")
]


OptionalSettings = Annotated[
    list[Path] | None,
    typer.Option("--settings", "-s", help="The run's settings; includes their deploy.deployment."),
]


@app.command(rich_help_panel="Committed folders")
def verify(uri: str) -> None:
    """Hash every file of a committed folder again and compare with its manifest."""
    from platen.core.lineage import verify as verify_folder

    typer.echo(f"{uri}: {verify_folder(uri)} files, all as committed")


@app.command(rich_help_panel="Committed folders")
def lineage(uri: str) -> None:
    """Walk a committed folder back to its sources."""
    from platen.core.lineage import walk

    for link in walk(uri):
        manifest = link.folder.manifest
        outside = "".join(f"  {name}={value}" for name, value in manifest.outside.items() if value)
        typer.echo(f"{'  ' * link.depth}{link.role}: {link.folder.uri}  {manifest.digest[:12]}{outside}")


@app.command(rich_help_panel="Committed folders")
def releases(workspace: Releases = "", settings: OptionalSettings = None) -> None:
    """List the releases of a workspace, the live one last, and whether the Deployment in the settings serves it."""
    from platen.artifacts.releases import load
    from platen.components.deploy.rollback import agreement

    where, on = released_at(workspace, settings)
    found = load(where)
    for release in found.history:
        typer.echo(f"{'live' if release is found.live else 'was '}  {release.since}  {release.model}")
    if on is not None:
        typer.echo(agreement(found.live, on))


@app.command(rich_help_panel="Committed folders")
def rollback(workspace: Releases = "", settings: OptionalSettings = None) -> None:
    """Make the previous release live again; also on the cluster if the settings name a Deployment."""
    from platen.components.deploy.rollback import rollback as roll_back

    where, on = released_at(workspace, settings)
    typer.echo(f"live: {roll_back(where, on).model}")


def released_at(workspace: str, settings: Sequence[Path] | None) -> tuple[str, DeploymentSettings | None]:
    """The workspace whose releases are meant, and the Deployment that serves them, where there is one."""
    if not settings:
        return workspace or "runs/workspace", None
    chosen = read_settings(settings, workspace)[1]
    return chosen.workspace, chosen.deploy.deployment
