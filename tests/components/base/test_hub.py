"""Models of a hub, which a server of this machine stands for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.components.base.fake_hub import serve_hub
from tests.components.base.taking import UNET_WEIGHTS


def from_hub(root: Path, tmp_path: Path, model: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Take a model over from a hub, in a process of its own: the address of the hub is read at the import."""
    code = f"""
from pathlib import Path
from platen.components.base.given import take_over
from platen.components.base.settings import BaseModelSettings
take_over(BaseModelSettings(base_model={model!r}), Path({str(tmp_path)!r}), Path({str(tmp_path / "out")!r}))
"""
    with serve_hub(root) as (address, fetched):
        environment = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    return run, fetched


def test_of_a_hub_only_what_is_needed_is_fetched(given: Path, tmp_path: Path) -> None:
    for name in ("unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.fp16.safetensors", "v1-5.ckpt"):
        (given / name).write_bytes(b"not needed")
    (tmp_path / "hub" / "owner").mkdir(parents=True)
    given.rename(tmp_path / "hub" / "owner" / "model")
    run, fetched = from_hub(tmp_path / "hub", tmp_path, "owner/model")
    assert run.returncode == 0, run.stderr
    assert not [name for name in fetched if name.endswith((".bin", ".ckpt", ".fp16.safetensors"))]
    assert (tmp_path / "out" / UNET_WEIGHTS).is_file()
    assert (tmp_path / "out" / "clip" / "model.safetensors").is_file()


def test_of_a_hub_no_weights_are_fetched_for_a_model_that_is_refused(given: Path, tmp_path: Path) -> None:
    config = given / "unet" / "config.json"
    config.write_text(config.read_text().replace('"in_channels": 4', '"in_channels": 9'))
    (tmp_path / "hub" / "owner").mkdir(parents=True)
    given.rename(tmp_path / "hub" / "owner" / "model")
    run, fetched = from_hub(tmp_path / "hub", tmp_path, "owner/model")
    assert "unet/config.json: in_channels is 9. Accepted: 4" in run.stderr
    assert "unet/config.json" in fetched and not [name for name in fetched if name.endswith(".safetensors")]


def test_a_model_that_the_hub_does_not_have(tmp_path: Path) -> None:
    run, _ = from_hub(tmp_path, tmp_path, "owner/none")
    assert "InputError: owner/none@main: the hub has no such model and revision for you" in run.stderr
