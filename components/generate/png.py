"""Writing generated images."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from platen.components.generate.prompts import Prompt
from platen.core.storage import write_file


def write_png(path: Path, image: Image.Image, prompt: Prompt, model: str) -> None:
    """Write a PNG that says what made it: text chunks `prompt`, `seed` and `model` (the digest of its manifest)."""
    info = PngInfo()
    info.add_itxt("prompt", prompt.prompt)
    info.add_text("seed", str(prompt.seed))
    info.add_text("model", model)
    data = io.BytesIO()
    image.save(data, "PNG", pnginfo=info)
    write_file(path, data.getvalue())
