"""`python -m platen.components.serve.main`: serve a committed model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from platen.components.serve.settings import ServeSettings
from platen.core.errors import PlatenError
from platen.core.settings import build, load_file, mapping
from platen.core.telemetry import log, set_up_logging

app = typer.Typer(add_completion=False)


@app.command()
def main(
    model: Annotated[str | None, typer.Option(help="URI of a committed model.")] = None,
    workspace: Annotated[str | None, typer.Option(help="Serve what is live in this workspace.")] = None,
    settings: Annotated[Path | None, typer.Option(help="Settings file of a run; its section `serve` is used.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 for any free one; default 8000.")] = None,
    requests: Annotated[str | None, typer.Option("--log", help="File that requests are logged to.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cuda or cpu.")] = None,
) -> None:
    """Serve a model over HTTP until SIGTERM or Ctrl-C."""
    set_up_logging()
    given = {"host": host, "port": port, "log": requests, "device": device}
    try:
        chosen = settings_from(settings, given)
        from platen.components.serve.server import run  # after the settings: a mistyped one is told at once

        sys.exit(run(chosen, model, workspace))
    except PlatenError as error:
        log.error("serve: %s", error)
        sys.exit(error.exit_code)


def settings_from(file: Path | None, given: dict[str, Any]) -> ServeSettings:
    """The settings of the file's section `serve`, with what was given on the command line over them."""
    section = mapping(load_file(file), str(file)).get("serve") if file else None
    chosen = {name: value for name, value in given.items() if value is not None}
    values = {**section, **chosen} if isinstance(section, dict) else chosen if section is None else section
    return build(ServeSettings, values, str(file) if file else None, prefix="serve")


if __name__ == "__main__":
    app()
