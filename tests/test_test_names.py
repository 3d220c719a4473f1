"""A module's tests are found by its name: those of components/x/y.py in tests/components/x/test_y.py."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEAST = 0.9
# Settings and component files are declarations, tested where what they declare is used. So is whatever else holds no
# statement in a function: protocols, and stages whose work is done by the modules beside them.
EXEMPT = ("__init__.py", "__main__.py", "settings.py", "component.py")


def source_files() -> list[Path]:
    folders = ("platen", "components", "pipelines")
    found = {path.resolve().relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py")}
    return sorted(path for path in found if path.name not in EXEMPT and has_logic((ROOT / path).read_text()))


def has_logic(text: str) -> bool:
    """Whether any function does something besides saying what it is for."""
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return any(not is_declaration(statement) for function in functions for statement in function.body)


def is_declaration(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)  # a docstring, or ...
    return constant or isinstance(statement, ast.Pass)


def path_of_test(module: Path) -> Path:
    return Path("tests") / module.parent / f"test_{module.name}"


def test_nearly_every_module_has_a_test_of_its_name() -> None:
    modules = source_files()
    without = [str(module) for module in modules if not (ROOT / path_of_test(module)).is_file()]
    share = 1 - len(without) / len(modules)
    told = "\n  ".join([f"{len(without)} of {len(modules)} modules have no same-named test:", *without])
    print(told)  # noqa: T201 - for pytest -s
    assert share >= LEAST, told


@pytest.mark.parametrize(
    ("text", "logic"),
    [
        ('NAME = "x"\nSTAGE = Stage(work=work)', False),
        ('class A(Protocol):\n    def a(self) -> int:\n        """Return a."""\n        ...', False),
        ('class A:\n    def a(self) -> int:\n        """Return a."""\n        return 1', True),
        ("async def a():\n    await b()", True),
    ],
    ids=["constants", "protocol", "method", "coroutine"],
)
def test_what_only_declares_has_no_logic(text: str, logic: bool) -> None:
    assert has_logic(text) is logic
