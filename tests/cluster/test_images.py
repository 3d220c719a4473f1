"""The built images, asked of Docker. Skips where there is no Docker, or they were not built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from platen import __version__
from tests.cluster.containers import BUILT, docker_with
from tests.images.test_dockerfiles import IMAGES
from tests.images.test_reach import base as base_below
from tests.images.test_reach import reached

image = BUILT.name

# Reads modules and files, and tells which of them are not there.
LOOK = """
import contextlib, importlib, json, pathlib, sys
import platen

ours, others, files = json.load(open("/reach.json"))
missing = [name for name in files if not pathlib.Path(platen.__path__[0], name).is_file()]
with contextlib.redirect_stdout(sys.stderr):
    for name, part in [*((name, None) for name in ours), *others]:
        try:
            module = importlib.import_module(name)
            if part is not None and not hasattr(module, part):
                importlib.import_module(f"{name}.{part}")
        except Exception as error:
            missing.append(f"{name} {part or ''}: {type(error).__name__}: {error}")
print(json.dumps(missing))
"""


@pytest.fixture(scope="module")
def client() -> Any:
    return docker_with("train")


def layers(client: Any, name: str) -> list[str]:
    return list(client.images.get(name).attrs["RootFS"]["Layers"])


def run(client: Any, stage: str, command: str) -> str:
    output: bytes = client.containers.run(image(stage), ["sh", "-c", command], remove=True, network_mode="none")
    return output.decode()


def test_layers_are_shared(client: Any) -> None:
    light, torch = (layers(client, image(name)) for name in ("light", "torch"))
    shared = [pair[0] for pair in zip(light, torch, strict=False) if pair[0] == pair[1]]
    assert len(shared) >= len(light) - 2, "all of light but our own wheel and the working folder lies below torch"
    for stage in IMAGES:
        base = light if base_below(stage) == "light" else torch
        assert layers(client, image(stage)) == base


@pytest.mark.parametrize("stage", ["clean_text", "train"])
def test_an_image_runs_without_rights_and_holds_no_compiler(client: Any, stage: str) -> None:
    said = run(client, stage, "id -u; command -v gcc cc g++ pip; platen version; python3 -c 'import kfp'; true")
    assert said.split() == ["10001", __version__]


def test_an_image_is_labelled(client: Any) -> None:
    labels = client.images.get(image("clean_text")).labels
    assert labels["org.opencontainers.image.title"] == "platen/clean-text"
    assert labels["org.opencontainers.image.version"] == image("clean_text").rpartition(":")[2]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


@pytest.mark.parametrize("base", ["light", "torch"])
def test_all_that_stages_can_reach_is_in_their_base(client: Any, base: str, tmp_path: Path) -> None:
    """Modules, what they import of others, and files that are no Python, which a wheel easily lacks.

    An image adds nothing to its base but its name (tests/images/test_dockerfiles.py, and the layers above).
    """
    reach = [reached(name) for name in [*IMAGES, "light"] if base_below(name) == base]
    ours = sorted({name for each in reach for name in each.ours})
    others = sorted({named for each in reach for named in each.others}, key=str)
    data = sorted({file for each in reach for file in each.data()})
    (tmp_path / "reach.json").write_text(json.dumps([ours, others, data]))
    (tmp_path / "reach.json").chmod(0o644)
    output = client.containers.run(
        image(base),
        ["python3", "-c", LOOK],
        remove=True,
        network_mode="none",
        volumes={str(tmp_path / "reach.json"): {"bind": "/reach.json", "mode": "ro"}},
    )
    assert json.loads(output.decode().splitlines()[-1]) == []
