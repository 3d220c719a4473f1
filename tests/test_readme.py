"""The README's commands and settings are what the project has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from platen.core.settings import parse
from platen.pipelines.settings import RunSettings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands(program: str) -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith(program)]


@pytest.mark.parametrize("command", commands("make "))
def test_make_has_the_target(command: str) -> None:
    """`make demo` itself is run, and its figures are checked, by .ci/run."""
    dry = subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert dry.returncode == 0, dry.stderr


def test_the_printed_settings_only_lack_a_source(tmp_path: Path) -> None:
    assert "platen settings > my.yaml" in commands("platen ")
    printed = subprocess.run(
        [sys.executable, "-m", "platen.cli", "settings"], capture_output=True, text=True, check=True
    )
    (tmp_path / "my.yaml").write_text(printed.stdout.replace("  folder: null", "  folder: pictures"))
    command = [sys.executable, "-m", "platen.cli", "settings", "--check", "my.yaml"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "my.yaml: can be used\n")


def test_the_least_settings_can_be_used() -> None:
    (block,) = blocks("yaml")
    settings = parse(RunSettings, block, "README.md")
    assert settings.base.base_model == yaml.safe_load(block)["base"]["base_model"]


def test_every_page_it_names_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) >= 5
    assert [link for link in links if not (ROOT / link).exists()] == []
