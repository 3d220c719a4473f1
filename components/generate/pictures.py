"""The folder of pictures that generate writes, and its index."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from platen.components.generate.prompts import Prompt
from platen.manifest import canonical
from platen.storage import write_file


def file_of(number: int) -> str:
    """Where the picture of the prompt with this number lies: `pictures/00000.png`."""
    return f"pictures/{number:05d}.png"


def write_picture(path: Path, image: Image.Image, prompt: Prompt, model: str) -> None:
    """Write a PNG that says what made it: text chunks `prompt`, `seed` and `model` (the digest of its manifest)."""
    info = PngInfo()
    info.add_itxt("prompt", prompt.prompt)
    info.add_text("seed", str(prompt.seed))
    info.add_text("model", model)
    data = io.BytesIO()
    image.save(data, "PNG", pnginfo=info)
    write_file(path, data.getvalue())


def write_index(path: Path, prompts: Sequence[Prompt]) -> None:
    """Write `index.jsonl`: one line a picture with file, prompt, seed and group."""
    rows = [{"file": file_of(number), **prompt.model_dump()} for number, prompt in enumerate(prompts)]
    write_file(path, b"".join(canonical(row) + b"\n" for row in rows))
