"""The `platen` command, one module per group of commands. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import sys

from platen.cli import stages, runs, kubeflow, folders  # isort: skip - the order of --help
from platen.cli.app import app
from platen.core.errors import PlatenError
from platen.core.telemetry import log, set_up_logging

__all__ = ["app", "folders", "kubeflow", "main", "runs", "stages"]


def main() -> None:
    """Run a command; PlatenErrors end it with their own exit code, and with words instead of a traceback."""
    set_up_logging()
    try:
        app()
    except PlatenError as error:
        log.error("error: %s", error)
        sys.exit(error.exit_code)
