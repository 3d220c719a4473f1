"""Taking over a model as the stage does."""

from __future__ import annotations

from pathlib import Path

from platen.components.base.given import take_over
from platen.components.base.settings import BaseModelSettings

UNET_WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def take(given: Path, tmp_path: Path, **more: object) -> Path:
    take_over(BaseModelSettings(base_model=str(given), **more), tmp_path / "scratch", tmp_path / "out")
    return tmp_path / "out"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
