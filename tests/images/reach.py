"""Which modules and packages the code of an image can reach, read from its source: nothing is imported or run.

A module is reached by any import statement, also one inside a function, and by its name in a string: that is how
`python -m` and importlib name it. What stands below `if TYPE_CHECKING` is not reached. What a pod is to be started with
(`["python", "-m", ...]`; a process of the same container has sys.executable) is reached in the image of its stage.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SOURCES = {"platen": "platen", "components": "platen.components", "pipelines": "platen.pipelines"}
CLI = "platen.cli"
ENTRIES = ("component", "stage", "main")  # modules of a stage that something starts: KFP, the command, a Deployment
EXECUTOR = "kfp.dsl.executor_main"  # what KFP starts in a component's container

Named = tuple[str, str | None]  # a module, and the name that is imported from it


@dataclass(frozen=True)
class Reach:
    """What an image's code reaches.

    Attributes:
        ours: Each of our modules, with the one that first named it.
        others: What is imported of other packages, with those of our modules that do.
    """

    ours: dict[str, str] = field(default_factory=dict)
    others: dict[Named, set[str]] = field(default_factory=lambda: defaultdict(set))

    def packages(self) -> set[str]:
        """The names that importing other packages begins with."""
        return {module.partition(".")[0] for module, _ in self.others}

    def data(self) -> list[str]:
        """Files in the reached packages that are no Python, relative to the folder of `platen` as it is installed."""
        found = []
        for name in sorted(name for name in self.ours if modules()[name].name == "__init__.py"):
            folder, place = modules()[name].parent, name.split(".")[1:]
            found += ["/".join([*place, path.name]) for path in sorted(folder.iterdir()) if is_data(path)]
        return found


def is_data(path: Path) -> bool:
    """Whether a file in a package is no Python. Its README is for readers."""
    return path.is_file() and path.suffix not in (".py", ".pyc") and path.name != "README.md"


@functools.cache
def modules() -> dict[str, Path]:
    """All of our modules."""
    found = {}
    for folder, package in SOURCES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join([package, *(part for part in parts if part != "__init__")])] = path
    return found


def reach_of(image: str, without: frozenset[str] = frozenset()) -> Reach:
    """What an image reaches, by the name of its folder, or `light` for the base as the manifests start it.

    Args:
        image: The folder below images/.
        without: Of our modules those that are not followed.
    """
    stage = [name for home in homes(image) for entry in ENTRIES if (name := f"{home}.{entry}") in modules()]
    stage += [name for name in _in_pods() if is_below(name, homes(image))]
    stage += [name for name in modules() if is_below(name, _registries(homes(image)))]
    reach = Reach()
    if any(name.endswith(".component") for name in stage):
        reach.others[EXECUTOR, None].add("KFP")
    commands, waiting = frozenset(commands_of(image)), [(name, "the image") for name in (*stage, CLI)]
    while waiting:
        name, by = waiting.pop()
        if name in reach.ours or name in without:
            continue
        reach.ours[name] = by
        parent = name.rpartition(".")[0]
        named = _named_in(modules()[name], commands)
        for module, part in [*named, *([(parent, None)] if parent else [])]:
            ours = [known for known in (module, f"{module}.{part}") if known in modules()]
            waiting += [(known, name) for known in ours]
            if not ours and module.partition(".")[0] not in sys.stdlib_module_names:
                reach.others[module, part].add(name)
    return reach


def homes(image: str) -> list[str]:
    """Where the code of an image's stage may lie."""
    return [f"{package}.{image}" for package in SOURCES.values()]


def _registries(packages: list[str]) -> list[str]:
    """The packages below some whose registry imports their modules by name."""
    found = [name.rpartition(".")[0] for name in modules() if name.endswith(".registry") and is_below(name, packages)]
    return [name for name in found if name not in packages]


def is_below(module: str, packages: list[str]) -> bool:
    """Whether a module is one of some packages, or in one."""
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


def commands_of(image: str) -> set[str]:
    """The commands that run in an image: those the manifests start there, and those that import its stage."""
    started = {command for name, command in _started() if name == image.replace("_", "-")}
    own = homes(image)
    return {name for name, node in _commands() if name in started or any(is_below(one, own) for one, _ in _named(node))}


@functools.cache
def _started() -> list[tuple[str, str]]:
    """Image and command of every container in the manifests."""
    text = [path.read_text() for path in (ROOT / "manifests").rglob("*.yaml")]
    return [pair for one in text for document in yaml.safe_load_all(one) for pair in _containers(document)]


def _containers(node: object) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for one in node:
            yield from _containers(one)
    if isinstance(node, dict):
        image, command = str(node.get("image")), [*(node.get("command") or []), *(node.get("args") or [])]
        if re.match(r"platen/[a-z-]+(:|$)", image) and command[:1] == ["platen"]:
            yield image.removeprefix("platen/").partition(":")[0], command[1]
        yield from _containers(list(node.values()))


def _commands() -> list[tuple[str, ast.FunctionDef]]:
    """The functions of the command line that are commands, by the command's name."""
    nodes = [node for path in _groups() for node in ast.parse(path.read_text()).body]
    return [(name, node) for node in nodes if isinstance(node, ast.FunctionDef) and (name := _command(node))]


@functools.cache
def _groups() -> frozenset[Path]:
    """The modules of the command line that hold commands."""
    paths = [path for name, path in modules().items() if is_below(name, [CLI])]
    return frozenset(path for path in paths if any(map(_command, ast.parse(path.read_text()).body)))


def _command(node: ast.AST) -> str | None:
    """The name of the command that a function is: `@app.command(name=...)`, else its own."""
    for decorator in getattr(node, "decorator_list", ()):
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "app.command":
            given = [word.value.value for word in decorator.keywords if word.arg == "name"]  # type: ignore[attr-defined]
            return str(given[0]) if given else node.name.replace("_", "-")  # type: ignore[attr-defined]
    return None


@functools.cache
def _named_in(path: Path, commands: frozenset[str]) -> list[Named]:
    """What a file names; of a group of the command line only these commands, and the functions that they call."""
    body = ast.parse(path.read_text()).body
    if path not in _groups():
        return [named for node in body for named in _named(node)]
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    waiting: list[ast.stmt] = [node for node in body if node not in functions.values() or _command(node) in commands]
    found, seen = [], set()
    while waiting:
        node = waiting.pop()
        found += list(_named(node))
        called = {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and name.id in functions} - seen
        waiting += [functions[name] for name in sorted(called) if _command(functions[name]) is None]
        seen |= called
    return found


def _named(node: ast.AST) -> Iterator[Named]:
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for part in node.orelse:
            yield from _named(part)
        return
    if isinstance(node, ast.Import):
        yield from ((alias.name, None) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.module is not None and node.level == 0, "imports are absolute here"
        yield from ((node.module, alias.name) for alias in node.names)
    elif isinstance(node, ast.Constant) and node.value in modules():
        yield str(node.value), None
    if not _is_of_pod(node):
        for part in ast.iter_child_nodes(node):
            yield from _named(part)


def _is_of_pod(node: ast.AST) -> bool:
    """Whether something is the command of a container: a list that begins with the word python."""
    return isinstance(node, ast.List) and bool(node.elts) and ast.unparse(node.elts[0]) == "'python'"


@functools.cache
def _in_pods() -> list[str]:
    """Our modules that pods are started with."""
    nodes = [node for path in modules().values() for node in ast.walk(ast.parse(path.read_text())) if _is_of_pod(node)]
    words = [part.value for node in nodes for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return [str(word) for word in words if word in modules()]
