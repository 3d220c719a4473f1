"""Networks that see: the extractor behind FID, KID and memorisation, and the CLIP model that judges prompts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from platen.artifacts.dataset import Row, chunks
from platen.components.evaluate.pictures import Generated, decode, read_real, resize
from platen.core.errors import InputError
from platen.core.stage import Folder
from platen.core.telemetry import progress
from platen.families.clip_scorer import check_clip_scorer

Pictures = Sequence[Image.Image]
TEXTS = 256  # at once


class Tower(Protocol):
    """Pictures in, one embedding a picture (n, width) out."""

    width: int

    def __call__(self, pictures: Pictures) -> Tensor:
        """Embed one batch."""


def embed(pictures: Iterable[Image.Image], tower: Tower, batch_size: int, total: int, what: str) -> np.ndarray:
    """The embeddings (n, width) of pictures, float64."""
    found = []
    with progress(what, total, "pictures") as advance, torch.inference_mode():
        for batch in chunks(pictures, batch_size):
            found.append(tower(batch).double().cpu().numpy())
            advance(len(batch))
    return np.concatenate(found) if found else np.zeros((0, tower.width))


def show_generated(generated: Sequence[Generated], tower: Tower, batch_size: int) -> np.ndarray:
    """Embeddings (n, width) of generated pictures."""
    pictures = (picture.read() for picture in generated)
    return embed(pictures, tower, batch_size, len(generated), "looking at generated pictures")


def show_real(dataset: Folder, rows: Sequence[Row], tower: Tower, batch_size: int) -> np.ndarray:
    """Embeddings (n, width) of real pictures."""
    pictures = (decode(sample.image, sample.row.key) for sample in read_real(dataset.path, rows))
    return embed(pictures, tower, batch_size, len(rows), "looking at real pictures")


class Eye:
    """How a network wants its pictures: side in pixels, mean and standard deviation of each channel."""

    def __init__(self, side: int, mean: Sequence[float], std: Sequence[float], device: str) -> None:
        self.side, self.device = side, device
        self.mean = torch.tensor(mean, device=device).view(3, 1, 1)
        self.std = torch.tensor(std, device=device).view(3, 1, 1)

    def __call__(self, pictures: Pictures) -> Tensor:
        """Pictures to (n, 3, side, side)."""
        pixels = torch.from_numpy(np.stack([resize(picture, self.side, self.side) for picture in pictures]))
        return (pixels.to(self.device) - self.mean) / self.std


class Extractor:
    """The pooled output of a vision transformer."""

    def __init__(self, network: Any, eye: Eye) -> None:
        self.network, self.eye = network.eval(), eye
        self.width: int = network.config.hidden_size

    def __call__(self, pictures: Pictures) -> Tensor:
        """Embed one batch."""
        pooled: Tensor = self.network(pixel_values=self.eye(pictures)).pooler_output
        return pooled


class Inception:
    """The Inception network of the original FID, 2048 features."""

    side, width = 299, 2048

    def __init__(self, device: str) -> None:
        from torchmetrics.image.fid import NoTrainInceptionV3

        self.device = device
        self.network = NoTrainInceptionV3("inception-v3-compat", ["2048"]).to(device)

    def __call__(self, pictures: Pictures) -> Tensor:
        """Embed one batch; this network takes whole numbers, so the resized pictures are rounded."""
        pixels = np.stack([resize(picture, self.side, self.side) for picture in pictures])
        whole = (pixels * 255).round().clip(0, 255).astype(np.uint8)
        features: Tensor = self.network(torch.from_numpy(whole).to(self.device))
        return features


class Judge:
    """A CLIP model that says how well a text fits a picture."""

    def __init__(self, folder: Path, device: str) -> None:
        from transformers import CLIPModel, CLIPTokenizer

        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: no CLIP model here; a model folder needs one, to judge its prompts with")
        check_clip_scorer(folder)
        try:
            model, loading = CLIPModel.from_pretrained(folder, output_loading_info=True)
            self.model = model.eval().to(device)
            self.tokenizer = CLIPTokenizer.from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise InputError(f"{folder}: not a CLIP model that transformers loads: {error}") from error
        if loading["missing_keys"]:  # transformers draws them at random, and the scores would be noise
            missing = sorted(loading["missing_keys"])
            raise InputError(f"{folder}: lacks {len(missing)} weights of its config.json, as {missing[0]}")
        one, other = self.tokenizer(["a red circle", "a dog asleep"]).input_ids
        if one == other:
            raise InputError(f"{folder}: the tokenizer gives all texts the same ids; its words are missing")
        self.device, self.width = device, int(self.model.config.projection_dim)
        self.eye = read_eye(str(folder), self.model.config.vision_config, device)
        self.scale = float(self.model.logit_scale.detach().exp())

    def __call__(self, pictures: Pictures) -> Tensor:
        """Pictures to embeddings (n, d) of length 1."""
        return unit(self.model.get_image_features(pixel_values=self.eye(pictures)).pooler_output)

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> np.ndarray:
        """Texts to embeddings (n, width) of length 1, float64; a text that is too long is cut."""
        return np.concatenate([self._read(batch).double().cpu().numpy() for batch in chunks(texts, TEXTS)])

    def _read(self, texts: Sequence[str]) -> Tensor:
        length = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=length, return_tensors="pt"
        )
        return unit(self.model.get_text_features(**tokens.to(self.device)).pooler_output)

    @property
    def extractor(self) -> Extractor:
        """Its vision tower, before the projection into the space it shares with texts."""
        return Extractor(self.model.vision_model, self.eye)


def load_extractor(name: str, judge: Judge) -> Tower:
    """The extractor of the settings. Raises InputError where it cannot be had."""
    if name == "clip":
        return judge.extractor
    if name == "inception":
        return _load_inception(judge.device)
    from transformers import AutoModel

    try:
        model = AutoModel.from_pretrained(name)
        network = getattr(model, "vision_model", model).eval().to(judge.device)
        return Extractor(network, read_eye(name, network.config, judge.device))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"evaluate.extractor: {name}: {error}. Accepted: clip, inception, or a folder or hub id of CLIP or DINOv2"
        ) from error


def _load_inception(device: str) -> Inception:
    try:
        return Inception(device)
    except (ModuleNotFoundError, OSError) as error:
        raise InputError(
            f"evaluate.extractor: inception needs the package torch-fidelity and its weights, which are downloaded: "
            f"{error}. Accepted without them: clip, or a folder of a CLIP or DINOv2 model"
        ) from error


def read_eye(name: str, config: Any, device: str) -> Eye:
    """How a model of transformers wants its pictures, from the files beside its weights."""
    from transformers.image_processing_base import ImageProcessingMixin

    values, _ = ImageProcessingMixin.get_image_processor_dict(name)
    sizes = values.get("crop_size") or values.get("size") or {}
    side = sizes.get("height") or sizes.get("shortest_edge") or config.image_size
    return Eye(side, values["image_mean"], values["image_std"], device)


def unit(vectors: Tensor) -> Tensor:
    """Vectors (n, d) scaled to length 1."""
    return nn.functional.normalize(vectors, dim=-1)
