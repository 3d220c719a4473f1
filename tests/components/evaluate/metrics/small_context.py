"""A context of three generated images and two held-out ones, whose judge has one axis per color."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from platen.artifacts.dataset import Row
from platen.components.evaluate.context import Context, Seen
from platen.components.evaluate.pictures import Generated
from platen.components.evaluate.settings import EvaluateSettings

COLORS = ("red", "green", "blue")
NONE = np.zeros((0, 1))


class ColorJudge:
    """Knows every text by the color in it."""

    scale, width = 100.0, 3

    def read(self, texts: list[str]) -> np.ndarray:
        return np.stack([np.eye(3)[next(n for n, name in enumerate(COLORS) if name in text)] for text in texts])


def context(prompts: list[str], shown: list[str], group: str = "grid", **settings: Any) -> Context:
    """A context in which each generated image shows a color, and each held-out one what its caption says."""
    generated = [
        Generated(folder=Path(), file=f"{number}", prompt=prompt, seed=number, group=group)
        for number, prompt in enumerate(prompts)
    ]
    embeddings = np.eye(3)[[COLORS.index(color) for color in shown]]
    held_out = [Row(key=name * 8, caption=f"a {name} square") for name in ("red", "blue")]
    seen = Seen(generated, [], held_out, NONE, NONE, NONE, embeddings, np.eye(3)[[0, 2]])
    files: list[Any] = []
    folder = SimpleNamespace(manifest=SimpleNamespace(files=files, settings={}))
    inputs: Any = {"model": folder, "generated": folder}
    judge: Any = ColorJudge()
    return Context(inputs, seen, judge, EvaluateSettings(min_samples=2, **settings), None, Path())
