"""Take over a model that the user has: a diffusers folder, here or in a bucket, a hub id or a single file."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from platen.components.base.settings import BaseModelSettings
from platen.core.errors import InputError, SettingsError
from platen.core.manifest import Json, canonical, sha256, sha256_of
from platen.core.storage import is_local, local_copy
from platen.families.clip_scorer import check_clip_scorer
from platen.families.layout import (
    MODEL_INDEX,
    STEMS,
    copy_licenses,
    is_license,
    join_weights,
    list_weights,
    read_json,
    read_model_index,
    tensor_shapes,
    weight_files,
)
from platen.families.registry import family_of

if TYPE_CHECKING:
    from platen.core.storage.transfer import Object

KINDS = (".json", ".txt", ".model", ".jinja")  # of the files beside the weights
SAFETENSORS = ".safetensors"
WEIGHTS_INDEX = re.compile(r"\.index(\.[\w-]+)?\.json$")
WHOLE = "."  # the component of a folder that is itself a model, as CLIP's
SINGLE = "StableDiffusionPipeline"  # the class of models that are taken over from one file too


def describe(model: str | None, revision: str) -> Json:
    """Identify a model by the digest of the files that matter of a folder, or by hub id and revision."""
    if model is None:
        return None
    if not is_local(model):
        return sha256(canonical([[name, there.size, there.crc32c] for name, there in objects_of(model).items()]))
    path = Path(model)
    if path.is_file():
        return sha256_of(path)
    if not path.is_dir():
        return f"{hub_id(model)}@{revision}"
    names = [name for name in list_names(model, revision) if name.endswith((*KINDS, SAFETENSORS))]
    return sha256(canonical([[name, sha256_of(path / name)] for name in names]))


def take_over(settings: BaseModelSettings, scratch: Path, out: Path) -> None:
    """Copy what training needs of the given model, and the CLIPModel that evaluate measures with, into `out`.

    In `out` each component has one weight file with the plain name, whichever variant or shards it came from. The
    configs are checked before any weights are fetched, the weights before anything is written.

    Args:
        settings: With `base_model` set.
        scratch: For the conversion of a single-file checkpoint.
        out: Does not exist or is empty.

    Raises:
        InputError: The model cannot be trained or measured with: the file, the field and its value are named.
        StorageError: The hub could not be reached.
    """
    model = str(settings.base_model)
    if is_single_file(model):
        from platen.components.base.single_file import convert

        config = check_single_file(Path(model), settings)
        fetch_clip(model, settings)  # it is checked before the conversion, too
        model = str(convert(Path(model), config, scratch / "converted"))
    folder, clip = fetch_model(model, settings), fetch_clip(model, settings)
    family, index = family_of(folder), read_model_index(folder)
    needed, weighted = family.needed(index), family.weighted(index)
    family.check_network(folder, weight_files(folder, family.network, settings.variant))
    for name in needed:
        copy_small(folder / name, out / name)
    copy_small(clip, out / "clip")
    for name in weighted:
        write_weights(folder / name, out / name, settings.variant)
    write_weights(clip, out / "clip", settings.variant)
    write_index(folder, needed, out)


def check_given(settings: BaseModelSettings) -> None:
    """Check the given model as far as that needs neither torch nor weights that lie elsewhere; for preflight.

    Raises like `take_over`.
    """
    model = str(settings.base_model)
    if is_single_file(model):
        check_single_file(Path(model), settings)
    elif is_local(model):
        fetch_model(model, settings)
    else:
        fetch_configs(model, settings.revision)
    if Path(settings.clip or model).exists():
        fetch_clip(model, settings)


def fetch_model(model: str, settings: BaseModelSettings) -> Path:
    """Return a local folder with the components of the base model that training needs, checked."""
    names, small, folder = fetch_configs(model, settings.revision)
    family = family_of(folder)
    weights = weights_of(folder, names, family.weighted(read_model_index(folder)), settings.variant)
    folder = copy_here(model, settings.revision, [*small, *weights])
    family.check_weights(folder, settings.variant)
    return folder


def fetch_clip(model: str, settings: BaseModelSettings) -> Path:
    """Return a local folder with the CLIPModel of the settings, or of the base model's own clip/, checked."""
    source, part = (model, "clip") if settings.clip is None else (settings.clip, WHOLE)
    names = [] if is_single_file(source) else list_names(source, settings.revision)
    if settings.clip is None and not any(name.startswith("clip/") for name in names):
        raise InputError(
            f"{model}/clip: missing; the base model has no clip/ of its own, so base.clip must name a folder or hub id "
            "of a CLIPModel with its tokenizer and preprocessor"
        )
    small = small_of(names, (part,))
    folder = copy_here(source, settings.revision, small)
    weights = weights_of(folder, names, (part,), settings.variant)
    clip = copy_here(source, settings.revision, [*small, *weights]) / part
    check_clip_scorer(clip, settings.variant)
    return clip


def fetch_configs(model: str, revision: str) -> tuple[list[str], list[str], Path]:
    """Fetch what is not weights of a model's needed components, and check it.

    Returns:
        The names of all files of the model, those of the fetched ones, and the local folder.
    """
    names = list_names(model, revision)
    folder = copy_here(model, revision, small_of(names, ()))
    needed = family_of(folder).needed(read_model_index(folder))
    small = small_of(names, needed)
    folder = copy_here(model, revision, small)
    family_of(folder).check(folder)
    return names, small, folder


def small_of(names: Collection[str], parts: Collection[str]) -> list[str]:
    """Return those files at the top and of some components that are not weights."""
    found = [name for name in names if "/" not in name or name.partition("/")[0] in parts]
    return [name for name in found if name.endswith(KINDS) or is_license(name)]


def weights_of(folder: Path, names: Collection[str], parts: Collection[str], variant: str | None) -> list[str]:
    """Return the names of the weight files of some components; their indexes of shards lie in the folder already.

    Args:
        folder: Local, with what is not weights.
        names: Of all files of the model.
        parts: The components; "." for a folder that is itself a model.
        variant: As `fp16`; see `platen.families.layout.choose_weights`.
    """
    found = []
    for part in parts:
        prefix = "" if part == WHOLE else f"{part}/"
        own = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
        found += [f"{prefix}{path.name}" for path in list_weights(folder / part, own, variant)]
    return found


def list_names(source: str, revision: str) -> list[str]:
    """Return the files of a model and of its components, by their names below it. Raises InputError if it is none."""
    if not is_local(source):
        return list(objects_of(source))
    folder = Path(source)
    if folder.is_dir():  # two levels: a clone of a repository has large ones below .git
        files = [path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.is_file()]
        return sorted(path.relative_to(folder).as_posix() for path in files)
    from platen.components.base.hub import list_files

    return list_files(hub_id(source), revision)


def copy_here(source: str, revision: str, names: Collection[str]) -> Path:
    """Return the folder itself, or a local copy of these files of a bucket's or the hub's."""
    if not is_local(source):
        return local_copy(source, names)
    if Path(source).is_dir():
        return Path(source)
    from platen.components.base.hub import fetch_files

    return fetch_files(hub_id(source), revision, names)


def hub_id(model: str) -> str:
    """Return a name that has the form of a hub id. Raises InputError otherwise."""
    if re.fullmatch(r"[\w.-]+/[\w.-]+", model) and not model.startswith((".", "/")):
        return model
    raise InputError(f"{model}: no such folder, and not of the form OWNER/NAME that hub ids have")


def objects_of(model: str) -> dict[str, Object]:
    """Return what lies below a prefix in a bucket. Raises InputError if that is nothing."""
    from platen.core.storage.gcs import GcsStore

    found = GcsStore().objects(model)
    if not found:
        raise InputError(f"{model}: nothing lies here. Accepted: a diffusers folder, or a hub id")
    return dict(sorted(found.items()))


def is_single_file(model: str) -> bool:
    """Say whether a model is a checkpoint in one file, as trainers other than diffusers write it."""
    return is_local(model) and Path(model).is_file()


def check_single_file(checkpoint: Path, settings: BaseModelSettings) -> Path:
    """Return a local folder with the configs. Raises SettingsError if none is set, InputError for unreadable files."""
    if settings.config is None:
        raise SettingsError(
            "base.config",
            f"not set, and base.base_model is one file ({checkpoint})",
            "a diffusers folder of the same architecture, whose configs and tokenizer are taken; it needs no weights",
        )
    if checkpoint.suffix != SAFETENSORS:
        raise InputError(
            f"{checkpoint}: one file that is no safetensors. Accepted: a {SAFETENSORS} checkpoint, a folder"
        )
    tensor_shapes([checkpoint])
    folder = fetch_configs(settings.config, settings.revision)[2]
    if (found := read_model_index(folder).class_name) != SINGLE:
        problem = f"_class_name is {found!r}. Accepted: {SINGLE}, of which alone single files are read"
        raise InputError(f"{folder / MODEL_INDEX}: {problem}")
    return folder


def copy_small(folder: Path, out: Path) -> None:
    """Copy a component without its weights: its configuration, or a tokenizer's or processor's files."""
    out.mkdir(parents=True)
    for path in folder.iterdir():
        if path.is_file() and path.name.endswith(KINDS) and not WEIGHTS_INDEX.search(path.name):
            shutil.copyfile(path, out / path.name)


def write_weights(folder: Path, out: Path, variant: str | None) -> None:
    """Write a component's weights as one file with the plain name."""
    files = weight_files(folder, WHOLE, variant)
    stem = next(stem for stem in STEMS if files[0].name.startswith(stem))
    join_weights(files, out / f"{stem}{SAFETENSORS}")


def write_index(folder: Path, needed: Collection[str], out: Path) -> None:
    """Write model_index.json without the components that were not taken, and copy the licenses."""
    values = {
        name: [None, None] if isinstance(value, list) and name not in needed else value
        for name, value in read_json(folder / MODEL_INDEX).items()
    }
    if "safety_checker" in values:
        values["requires_safety_checker"] = False
    (out / MODEL_INDEX).write_text(json.dumps(values, indent=2) + "\n")
    copy_licenses(folder, out)
