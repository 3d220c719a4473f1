"""What a metric may look at, and what each of these things was: numbers are compared only where it is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from platen.core.manifest import Json, Manifest, canonical, sha256

if TYPE_CHECKING:
    import numpy as np

    from platen.artifacts.dataset import Row
    from platen.components.evaluate.pictures import Generated
    from platen.components.evaluate.settings import EvaluateSettings
    from platen.components.evaluate.towers import Judge
    from platen.core.stage import Folder, Inputs

SAMPLING = ("steps", "guidance_scale", "size")  # settings of generate that change a picture, beside model and seed


@dataclass(frozen=True)
class Seen:
    """The pictures that are compared, and what the networks made of them: one row of an array a picture.

    Attributes:
        generated, training, held_out: Where the pictures come from.
        generated_features, training_features, held_out_features: The extractor's.
        generated_embeddings, held_out_embeddings: The judge's, of length 1.
    """

    generated: Sequence[Generated]
    training: Sequence[Row]
    held_out: Sequence[Row]
    generated_features: np.ndarray
    training_features: np.ndarray
    held_out_features: np.ndarray
    generated_embeddings: np.ndarray
    held_out_embeddings: np.ndarray


@dataclass(frozen=True)
class Context:
    """Everything that a metric may look at.

    Attributes:
        inputs: Of the stage.
        seen: The pictures that are compared.
        judge: Says how well texts and images fit.
        settings: Of the stage; those of single metrics are handed to each.
        extractor: The digest of the extractor's folder, where it is one.
        out: The folder of the report, for files of a metric.
    """

    inputs: Inputs
    seen: Seen
    judge: Judge
    settings: EvaluateSettings
    extractor: str | None
    out: Path

    @property
    def model(self) -> Folder:
        """The folder of the model."""
        return self.inputs["model"]

    @property
    def prompts(self) -> list[str]:
        """The prompt of each generated image."""
        return [picture.prompt for picture in self.seen.generated]

    @cached_property
    def prompt_embeddings(self) -> np.ndarray:
        """The judge's embeddings (n, d) of the prompts."""
        return self.embed_texts(self.prompts)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """The judge's embeddings (n, d) of texts; each distinct text is read once."""
        import numpy as np

        if not texts:
            return np.zeros((0, self.judge.width))
        distinct = sorted(set(texts))
        place = {text: number for number, text in enumerate(distinct)}
        embeddings: np.ndarray = self.judge.read(distinct)[[place[text] for text in texts]]
        return embeddings


def _judge(context: Context) -> dict[str, Json]:
    return {"judge": digest_of_files(context.model.manifest, "clip/")}


def _extractor(context: Context) -> dict[str, Json]:
    name = context.settings.extractor
    own = digest_of_files(context.model.manifest, "clip/") if name == "clip" else context.extractor or name
    return {"extractor": own}


def _generated(context: Context) -> dict[str, Json]:
    """Seeds are not among it: they move a number within its interval. The prompts say how many images there are."""
    used = context.inputs["generated"].manifest.settings
    return {
        "prompts": digest(sorted([one.prompt, one.group] for one in context.seen.generated)),
        "neutral_group": context.settings.neutral_group,
        "sampling": {name: used.get(name) for name in SAMPLING},
    }


def _training(context: Context) -> dict[str, Json]:
    return {"training": digest_of_rows(context.seen.training)}


def _held_out(context: Context) -> dict[str, Json]:
    return {"held_out": digest_of_rows(context.seen.held_out)}


NEEDS: Mapping[str, Callable[[Context], dict[str, Json]]] = {  # what a metric can need, and what says which one it was
    "judge": _judge,
    "extractor": _extractor,
    "generated": _generated,
    "training": _training,
    "held_out": _held_out,
}


def digest_of_files(manifest: Manifest, below: str) -> str:
    """Of the files of a folder that lie below a path."""
    return digest(sorted([file.path, file.sha256] for file in manifest.files if file.path.startswith(below)))


def digest_of_rows(rows: Iterable[Row]) -> str:
    """Of pictures in the size that they are looked at, and of their captions."""
    return digest(sorted([row.key, row.sha256, row.caption, row.width, row.height] for row in rows))


def digest(content: Json) -> str:
    """SHA-256 of what can be written as JSON, in hexadecimal."""
    return sha256(canonical(content))
