"""The built images, asked of Docker. Skips where there is no Docker, or they were not built."""

from __future__ import annotations

from typing import Any

import pytest

from platen.images import image
from tests.images.test_dockerfiles import IMAGES, WITHOUT_TORCH

docker = pytest.importorskip("docker")


@pytest.fixture(scope="module")
def client() -> Any:
    try:
        found = docker.from_env()
        found.images.get(image("train"))
    except docker.errors.DockerException as error:
        pytest.skip(f"no images: {type(error).__name__}; make images")
    return found


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
        base = light if stage in WITHOUT_TORCH else torch
        assert layers(client, image(stage))[: len(base)] == base


@pytest.mark.parametrize("stage", ["clean_text", "train"])
def test_an_image_runs_without_rights_and_holds_no_compiler(client: Any, stage: str) -> None:
    said = run(client, stage, "id -u; command -v gcc cc g++ pip; platen version; python3 -c 'import kfp'; true")
    assert said.split() == ["10001", image(stage).rpartition(":")[2]]


def test_an_image_is_labelled(client: Any) -> None:
    labels = client.images.get(image("clean_text")).labels
    assert labels["org.opencontainers.image.title"] == "platen/clean-text"
    assert labels["org.opencontainers.image.version"] == image("clean_text").rpartition(":")[2]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_the_package_in_an_image_is_whole(client: Any) -> None:
    """What is no Python file is easily left out of a wheel: pages, templates."""
    page = "import platen.components.serve as s, pathlib; assert (pathlib.Path(s.__path__[0]) / 'page.html').exists()"
    report = (
        "import platen.components.notify.report as r, pathlib; assert list(pathlib.Path(r.__path__[0]).glob('*.html*'))"
    )
    assert run(client, "notify", f'python3 -c "{page}" && python3 -c "{report}" && echo whole').strip() == "whole"
