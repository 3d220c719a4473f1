"""docs/kubeflow.md as data: its commands and files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/kubeflow.md").read_text()
REGISTRY = "registry.example.com/me"
FILE = re.compile(r"```yaml\n# ([\w./-]+\.yaml): ([^\n]+)\n(.*?)```", re.DOTALL)


def commands() -> list[str]:
    """Every command of the page, once, without the `&` that puts it into the background."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    return list(dict.fromkeys(line.removesuffix(" &") for line in lines if line))


def starting(*words: str) -> list[str]:
    """The commands that start with these words."""
    return [command for command in commands() if command.split()[: len(words)] == list(words)]


def files() -> dict[tuple[str, str], str]:
    """The files that the page tells to write, by their name and what they are for."""
    return {(name, purpose): text for name, purpose, text in FILE.findall(PAGE)}


def file(name: str, purpose: str) -> str:
    """One of them."""
    return files()[name, purpose]


def run(command: str, folder: Path, changes: Mapping[str, str] = {}, env: Mapping[str, str] = {}) -> str:
    """Run a command of the page in a folder, by a shell; what it printed.

    Args:
        command: As the page has it.
        folder: Where.
        changes: What is put in place of the page's names and addresses. Each must be there.
        env: More environment.
    """
    for old, new in changes.items():
        assert old in command, (old, command)
        command = command.replace(old, new)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **env}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
