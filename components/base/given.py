"""Taking over a model that the user has: a diffusers folder, here or in a bucket, or a hub id."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from platen.errors import InputError, StorageError
from platen.manifest import canonical, list_files, sha256
from platen.storage import is_local, local_copy

if TYPE_CHECKING:
    from platen.storage.transfer import Object

PARTS = {  # what a Stable Diffusion folder must hold; one of each alternative
    "": ("model_index.json",),
    "unet": ("config.json", "diffusion_pytorch_model.safetensors"),
    "vae": ("config.json", "diffusion_pytorch_model.safetensors"),
    "text_encoder": ("config.json", "model.safetensors"),
    "tokenizer": ("tokenizer_config.json", "tokenizer.json|vocab.json", "tokenizer.json|merges.txt"),
    "scheduler": ("scheduler_config.json",),
}
CLIP = ("config.json", "model.safetensors", "preprocessor_config.json|processor_config.json")
LEFT_OUT = ("*.bin", "*.ckpt", "*.msgpack", "*.onnx*", "*.fp16.safetensors", ".git*", "manifest.json", "run.json")


def describe(model: str | None, revision: str) -> str | None:
    """What identifies a model: the digest of a folder's files, or hub id and revision."""
    if model is None:
        return None
    if not is_local(model):
        return sha256(canonical([[name, there.size, there.crc32c] for name, there in objects_of(model).items()]))
    folder = Path(model)
    if not folder.is_dir():
        return f"{hub_id(model)}@{revision}"
    return sha256(canonical([[file.path, file.sha256] for file in list_files(folder)]))


def take_over(model: str, revision: str, clip: str | None, out: Path) -> None:
    """Copy a Stable Diffusion folder, and the CLIPModel to measure with, into `out`.

    Raises:
        InputError: A file is missing, or the name is neither a folder nor a hub id.
    """
    source = local_folder(model, revision)
    check_parts(source)
    beside = source / "clip" if clip is None else local_folder(clip, revision)
    check_clip(beside, given=clip is not None)
    shutil.copytree(source, out, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)
    shutil.copytree(beside, out / "clip", ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)


def check_parts(folder: Path) -> None:
    """Raise InputError that names the first file that a Stable Diffusion folder lacks."""
    for part, needed in PARTS.items():
        for names in needed:
            if not _has_one(folder / part, names):
                raise InputError(
                    f"{folder / part / names}: missing; base.base_model must be a diffusers folder of Stable Diffusion "
                    "1.x or 2.x with safetensors weights"
                )


def check_clip(folder: Path, *, given: bool) -> None:
    """Raise InputError where a folder is no CLIPModel with its processor."""
    for names in CLIP:
        if not _has_one(folder, names):
            hint = "base.clip must name" if given else "the base model has no clip/ of its own, so base.clip must name"
            raise InputError(f"{folder / names}: missing; {hint} a folder or hub id of a CLIPModel with its processor")


def _has_one(folder: Path, names: str) -> bool:
    return any((folder / name).is_file() for name in names.split("|"))


def objects_of(model: str) -> dict[str, Object]:
    """What lies below a prefix in a bucket. Raises InputError where that is nothing."""
    from platen.storage.gcs import GcsStore

    found = GcsStore().objects(model)
    if not found:
        raise InputError(f"{model}: nothing lies here. Accepted: a diffusers folder, or a hub id")
    return dict(sorted(found.items()))


def local_folder(model: str, revision: str) -> Path:
    """The folder itself, or a copy of a bucket's or the hub's. Raises StorageError where the hub does not give it."""
    if not is_local(model):
        return local_copy(model, LEFT_OUT)
    folder = Path(model)
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(hub_id(model), revision=revision, ignore_patterns=list(LEFT_OUT)))
    except (HfHubHTTPError, OSError) as error:
        raise StorageError(f"{model}@{revision}: the hub did not give it: {error}") from error


def hub_id(model: str) -> str:
    """The name where it has the form of a hub id. Raises InputError otherwise."""
    if re.fullmatch(r"[\w.-]+/[\w.-]+", model) and not model.startswith((".", "/")):
        return model
    raise InputError(f"{model}: no such folder, and not of the form OWNER/NAME that hub ids have")
