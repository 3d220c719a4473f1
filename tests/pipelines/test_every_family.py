"""Every family's tiny model through the whole chain, and an image of it from a server that users would start."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image

from platen.artifacts import releases
from platen.core.manifest import MANIFEST, decode
from platen.core.stage import Folder
from platen.families.registry import families, family_named
from tests.pipelines.small_demo import PREFLIGHT, STAGES, free_port, run_demo, settings_for, summary, write_settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.soak("test_content.py runs the chain with the demo's family, test_families.py trains with every one"),
]
SIDE = 32  # pixels, of the small demo
DEADLINE = 180  # seconds for a server to be ready


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all runs: the images are ingested and cleaned once."""
    return tmp_path_factory.mktemp("families")


@pytest.fixture(scope="module")
def port() -> int:
    """Of the sample's web server: part of the URLs, so that another would ingest anew."""
    return free_port()


@pytest.mark.parametrize("name", [family.name for family in families()])
def test_from_images_to_the_served_model(
    name: str, workspace: Path, port: int, tiny_model: Folder, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    family_named(name).tiny(base, seed=0)
    settings = settings_for(workspace, port)
    settings["base"] = {"base_model": str(base), "clip": str(tiny_model.path / "clip")}
    write_settings(workspace, settings)
    assert run_demo(workspace) == 0, (workspace / "demo.log").read_text()
    told = summary(workspace)
    assert (told["outcome"], told["verdict"]) == ("succeeded", "promote")
    assert {stage["name"] for stage in told["stages"]} == {"sample", PREFLIGHT, *STAGES}
    live = releases.load(str(workspace / "ws")).live
    assert live is not None
    model = decode((workspace / live.model / MANIFEST).read_bytes(), live.model)
    assert model.facts["family"] == name
    with serving(workspace) as url:
        image = generate(url)
    assert image.size == (SIDE, SIDE)
    assert len(image.getcolors(SIDE * SIDE) or []) > 1


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """`platen serve` of what is live; its address."""
    port = free_port()
    command = [sys.executable, "-m", "platen.cli", "serve", "--workspace", "ws", "--port", str(port)]
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}/readyz", folder / "serve.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        assert process.wait(60) == 0, (folder / "serve.log").read_text()


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the server did not get ready:\n{log.read_text()}")


def generate(url: str) -> Image.Image:
    """One image, over HTTP."""
    request = {"model": "platen", "prompt": "a red circle", "response_format": "b64_json"}
    answer = httpx.post(f"{url}/v1/images/generations", json=request, timeout=DEADLINE)
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(base64.b64decode(answer.json()["data"][0]["b64_json"])))
