"""What belongs to one model family is named in platen/families and nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORDS = re.compile(
    r"(?i:unet|vae(?![a-z])|stable_?diffusion|flux|pixart|qwen)|CLIP[A-Z]|T5[A-Z]"
)  # NumPy has a clip too
# evaluate's scorers are CLIP models whatever is trained; base makes the demo's model
EXCEPTED = ("platen/families/", "components/base/", "components/evaluate/towers.py")


def source_files() -> list[Path]:
    return sorted(
        path
        for top in ("platen", "components", "pipelines")
        for path in (ROOT / top).rglob("*.py")
        if not path.relative_to(ROOT).as_posix().startswith(EXCEPTED)
    )


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name and import of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.arg | ast.keyword) and node.arg:
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.alias):
            yield node.lineno, node.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def test_no_family_is_named_outside_families() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in source_files()
        for line, name in names(ast.parse(path.read_text()))
        if WORDS.search(name)
    ]
    assert found == []
