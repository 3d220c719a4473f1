"""Every package that an image's code can import is in the requirements that the image is made from."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import re
import tomllib
from fnmatch import fnmatch

import pytest
from packaging.requirements import Requirement

from tests.images.reach import ROOT, SOURCES, Reach, homes, is_below, is_data, modules, reach_of
from tests.images.test_dockerfiles import IMAGES, base_of

# Modules that a stage names and its image cannot run, with the reason. Each is behind a find_spec of a package that
# the module needs: what is said where that is missing is asserted in tests/cluster/test_stages_in_containers.py.
ELSEWHERE = {
    ("deploy", "platen.components.serve.main"): "a trial on this machine: from a pod, deploy.deployment is tried",
}
# Modules that an image's code names in a function that it does not call, with the reason.
UNCALLED = {
    ("preflight", "platen.components.base.hub"): "a model on a hub is left to the stage that fetches it",
    ("preflight", "platen.components.base.single_file"): "of a checkpoint in one file the header is looked at, no more",
}


def reached(image: str) -> Reach:
    return reach_of(image, frozenset(module for other, module in {**ELSEWHERE, **UNCALLED} if other == image))


def base(image: str) -> str:
    return "light" if image == "light" else base_of(image)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.cache
def requirements(name: str) -> set[str]:
    """The packages of a requirements file that are installed in an image: on Linux, with the Python of the bases."""
    text = (ROOT / "images" / "bases" / "Dockerfile").read_text()
    python = re.findall(r"^FROM python:(\d+\.\d+)-", text, re.MULTILINE)[-1]
    there = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    lines = re.findall(r"^([a-z0-9].*?) \\$", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE)
    needed = [Requirement(line) for line in lines]
    return {normal(one.name) for one in needed if one.marker is None or one.marker.evaluate(there)}


@functools.cache
def makers() -> dict[str, set[str]]:
    """The distributions that bring a module, by its name, as installed here."""
    found: dict[str, set[str]] = {}
    for distribution in importlib.metadata.distributions():
        maker = normal(distribution.name)
        for line in (distribution.read_text("RECORD") or "").splitlines():
            file = line.partition(",")[0]
            if file.endswith((".py", ".so")):
                folder, _, name = file.rpartition("/")
                stem = name.partition(".")[0]  # of a compiled one is name.cpython-311-x86_64-linux-gnu.so
                module = folder if stem == "__init__" else f"{folder}/{stem}".strip("/")
                found.setdefault(module.replace("/", "."), set()).add(maker)
    return found


def made_by(module: str, part: str | None) -> set[str]:
    """The distributions that bring a module or, where it is no module, what it is a part of; none where none does."""
    name = module if part is None else f"{module}.{part}"
    while name and name not in makers():
        name = name.rpartition(".")[0]
    return makers().get(name, set())


def missing(reach: Reach, held: set[str]) -> list[str]:
    """What is imported and not held, with the files that import it."""
    return sorted(
        f"{module}{f'.{part}' if part else ''} of {' or '.join(made_by(module, part)) or 'a package not installed'}, "
        f"imported by {', '.join(sorted(by))}"
        for (module, part), by in reach.others.items()
        if not made_by(module, part) & held
    )


@pytest.mark.parametrize("image", [*IMAGES, "light"])
def test_what_an_image_can_import_is_in_its_requirements(image: str) -> None:
    name = base(image)
    assert missing(reached(image), requirements(name)) == [], f"images/{image} is made from requirements/{name}.txt"


def test_what_traffic_has_monitor_import_would_be_missed() -> None:
    without = missing(reached("monitor"), requirements("light") - {"scipy"})
    assert without == [
        "scipy.sparse.csr_array of scipy, imported by platen.components.monitor.drift",
        "scipy.special.rel_entr of scipy, imported by platen.components.monitor.drift",
        "scipy.stats of scipy, imported by platen.components.monitor.estimates, platen.core.statistics",
    ]


def test_what_is_reached() -> None:
    """Imports within functions, commands, processes, names in strings; not what only a type checker reads."""
    train, deploy, light = reach_of("train"), reach_of("deploy"), reach_of("light")
    assert train.ours["platen.components.train.rank.main"] == "platen.components.train.node.worker"  # torchrun -m
    assert "platen.components.train.batch_size.find" in train.ours  # platen batch-size
    assert deploy.ours["platen.components.serve.main"] == "platen.components.deploy.local_server"  # python -m
    assert "platen.components.deploy.rollback" in deploy.ours  # platen rollback
    assert {"platen.jobs.reap", "platen.jobs.cluster"} <= light.ours.keys()  # the CronJob
    assert "kubernetes" in light.packages()
    assert ("kfp.dsl.executor_main", None) in deploy.others
    assert "platen.pipelines.backend" not in deploy.ours  # platen submit
    for stage in IMAGES:
        assert reach_of(stage).ours.keys() & set(homes(stage)), stage


def lacking(image: str) -> set[str]:
    """The packages that an image's code names and the image does not have."""
    held = requirements(base(image))
    return {entry[0].partition(".")[0] for entry in reach_of(image).others if not made_by(*entry) & held}


@pytest.mark.parametrize(("image", "module"), {**ELSEWHERE, **UNCALLED})
def test_what_an_image_cannot_run_is_no_more_than_that(image: str, module: str) -> None:
    assert lacking(image), f"{module} runs in images/{image}: take it out of the list"


@pytest.mark.parametrize(("image", "module"), ELSEWHERE)
def test_what_runs_elsewhere_is_looked_for_first(image: str, module: str) -> None:
    trees = [ast.parse(path.read_text()) for name, path in modules().items() if is_below(name, homes(image))]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    looked_for = {ast.literal_eval(call.args[0]) for call in calls if ast.unparse(call.func) == "find_spec"}
    assert looked_for & lacking(image), f"{image} starts {module} without looking whether it can run"


def test_every_file_of_a_package_is_in_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["*"]
    folders = {path.parent for folder in SOURCES for path in (ROOT / folder).rglob("__init__.py")}
    files = [path for folder in folders for path in folder.iterdir() if is_data(path)]
    assert len(files) > 10
    left_out = [path for path in files if not any(fnmatch(path.name, pattern) for pattern in patterns)]
    assert left_out == [], "tool.setuptools.package-data in pyproject.toml names none of their kind"
