"""Read and check a diffusers folder without loading it.

Only JSON files and the headers of safetensors files are read, so that any stage, and the user's own machine, can check
a model of any size within milliseconds. Every fault is an InputError that names the file, the field, its value and what
is accepted. The format of a safetensors file (8 bytes with the header's length, little-endian; the header, JSON; the
tensors' bytes) is described in the README of huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from platen.core.errors import InputError
from platen.core.manifest import Json

MODEL_INDEX, CONFIG = "model_index.json", "config.json"
STEMS = ("diffusion_pytorch_model", "model")  # of weight files: as diffusers names them, and as transformers does
WEIGHTS = re.compile(rf"(?:{'|'.join(STEMS)})(?:\.([\w-]+))?\.safetensors")
WEIGHTS_INDEX = re.compile(rf"(?:{'|'.join(STEMS)})\.safetensors\.index(?:\.([\w-]+))?\.json")
SHARD = re.compile(r"-\d{5}-of-\d{5}")
LFS_POINTER = b"version https://git-lfs"
UNSAFE_FORMATS = (".bin", ".ckpt", ".pt", ".pth", ".msgpack", ".onnx", ".gguf")
MAX_HEADER = 100_000_000  # bytes, the limit of the safetensors library
ITEM_BITS = {"BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32}
ITEM_BITS |= {"U64": 64, "I64": 64, "F64": 64, "F8_E4M3": 8, "F8_E5M2": 8}


@dataclass(frozen=True)
class ModelIndex:
    """The content of model_index.json.

    Attributes:
        folder: Of the pipeline.
        class_name: Of the pipeline, as `StableDiffusionPipeline`.
        components: Library and class of each component, as `("diffusers", "AutoencoderKL")`; None for `[null, null]`.
    """

    folder: Path
    class_name: str
    components: Mapping[str, tuple[str, str] | None]


@dataclass(frozen=True)
class OneOf:
    """Values that a field of a config may have.

    Args:
        values: The accepted values; numbers of equal value are equal.
        default: What the library takes where the field is absent.
        source: What makes these the accepted ones, as `latent_channels of vae/config.json`.
    """

    values: Collection[Json]
    default: Json = None
    source: str = ""

    def __str__(self) -> str:
        """Render the values as an error names them."""
        values = " or ".join(json.dumps(value) for value in self.values)
        return f"{values} ({self.source})" if self.source else values


@dataclass(frozen=True)
class WholeNumber:
    """Accept a whole number within bounds (both inclusive), as a field of a config."""

    low: int = 1
    high: int | None = None
    default: Json = None
    source: str = ""

    def __str__(self) -> str:
        """Render the bounds as an error names them."""
        bounds = f"a whole number from {self.low}" + ("" if self.high is None else f" to {self.high}")
        return f"{bounds} ({self.source})" if self.source else bounds


@dataclass(frozen=True)
class TensorInfo:
    """Type (as `F16`) and shape of a tensor, from a safetensors header."""

    dtype: str
    shape: tuple[int, ...]


def read_json(path: Path) -> dict[str, Json]:
    """Return the object that a JSON file holds. Raises InputError if it is missing, a git-lfs pointer or not JSON."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: missing") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if data.startswith(LFS_POINTER):
        raise InputError(_lfs_pointer(path))
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: holds a JSON {type(value).__name__}. Accepted: a JSON object")
    return value


def read_model_index(folder: Path) -> ModelIndex:
    """Read a folder's model_index.json. Raises InputError if the folder is no diffusers pipeline."""
    path = folder / MODEL_INDEX
    if not path.is_file():
        hint = " (config.json is there: this is one component or a transformers model)" if _has(folder, CONFIG) else ""
        raise InputError(f"{path}: missing{hint}. Accepted: the folder of a diffusers pipeline")
    values = read_json(path)
    name = values.get("_class_name")
    if not isinstance(name, str):
        raise InputError(f"{path}: _class_name is {_shown(name)}. Accepted: the name of a diffusers pipeline class")
    components: dict[str, tuple[str, str] | None] = {}
    for key, value in values.items():
        if not key.startswith("_") and isinstance(value, list):
            if value not in ([None, None], []) and not (len(value) == 2 and all(isinstance(v, str) for v in value)):
                raise InputError(f"{path}: {key} is {_shown(value)}. Accepted: [library, class] or [null, null]")
            components[key] = (str(value[0]), str(value[1])) if value and value[0] is not None else None
    return ModelIndex(folder, name, components)


def check_index(index: ModelIndex, pipelines: Collection[str], needed: Collection[str]) -> None:
    """Raise InputError unless the pipeline's class is accepted and all needed components are named and there."""
    path = index.folder / MODEL_INDEX
    if index.class_name not in pipelines:
        raise InputError(f"{path}: _class_name is {index.class_name!r}. Accepted: {_listed(pipelines)}")
    for name in needed:
        if index.components.get(name) is None:
            state = "null" if name in index.components else "missing"
            raise InputError(f"{path}: {name} is {state}. Accepted: [library, class]; needed are {', '.join(needed)}")
        if not (index.folder / name).is_dir():
            raise InputError(f"{index.folder / name}: missing; {MODEL_INDEX} names this component")


def read_config(folder: Path, classes: Collection[str], file: str = CONFIG) -> dict[str, Json]:
    """Read a component's config and check its class.

    Args:
        folder: Of the component.
        classes: Accepted values of `_class_name` (diffusers), or of one of `architectures` (transformers).
        file: The name of the config.

    Raises:
        InputError: The file is missing or not JSON, or the class is another one.
    """
    path = folder / file
    config = read_json(path)
    field = next((name for name in ("_class_name", "architectures", "model_type") if config.get(name)), None)
    if field is None:
        raise InputError(f"{path}: has no _class_name and no architectures. Accepted: {_listed(classes)}")
    found = config[field]
    if not set(map(str, found if isinstance(found, list) else [found])) & set(classes):
        raise InputError(f"{path}: {field} is {_shown(found)}. Accepted: {_listed(classes)}")
    return config


def check_fields(file: Path, config: Mapping[str, Json], accepted: Mapping[str, OneOf | WholeNumber]) -> None:
    """Raise InputError for the first field of a config, read from `file`, whose value is not accepted."""
    for field, rule in accepted.items():
        value = config.get(field, rule.default)
        if isinstance(rule, OneOf):
            fits = any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in rule.values)
        else:
            whole = isinstance(value, int) and not isinstance(value, bool)
            fits = whole and rule.low <= value and (rule.high is None or value <= rule.high)
        if not fits:
            state = _shown(config[field]) if field in config else "missing"
            raise InputError(f"{file}: {field} is {state}. Accepted: {rule}")


def choose_weights(names: Collection[str], variant: str | None = None) -> str | None:
    """Choose the file among a component's that holds its weights, or the index of their shards.

    Args:
        names: Of the files in the component's folder.
        variant: As `fp16`, where the component has it; otherwise the plain file, or else the only variant there is.

    Returns:
        A name, or None where the component has no safetensors weights.

    Raises:
        InputError: There are several variants, none of which is asked for, and no plain file.
    """
    found: dict[str, str] = {}
    for pattern in (WEIGHTS, WEIGHTS_INDEX):  # a single file before shards, as transformers does
        for name in sorted(names):
            if (match := pattern.fullmatch(name)) and not SHARD.search(name):
                found.setdefault(match[1] or "", name)
    chosen = found.get(variant or "", found.get(""))
    if chosen is None and len(found) > 1:
        raise InputError(
            f"only variants of the weights: {', '.join(found.values())}. Accepted as variant: {_listed(found)}"
        )
    return chosen or next(iter(found.values()), None)


def list_weights(folder: Path, names: Collection[str], variant: str | None = None) -> dict[Path, set[str]]:
    """Return a component's weight files, and which tensors the index of shards places in each; only it is opened.

    Args:
        folder: Of the component.
        names: Of the files that its source has, whether or not they lie in the folder already.
        variant: As `fp16`; see `choose_weights`.

    Raises:
        InputError: There are no safetensors weights, or the index of the shards is none.
    """
    try:
        chosen = choose_weights(names, variant)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    if chosen is None:
        raise InputError(f"{folder}: {_no_safetensors(names)}")
    if WEIGHTS.fullmatch(chosen):
        return {folder / chosen: set()}
    places = read_json(folder / chosen).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise InputError(f"{folder / chosen}: weight_map is {_shown(places)}. Accepted: file names by tensor")
    files: dict[Path, set[str]] = {}
    for tensor, name in sorted(places.items(), key=lambda place: (str(place[1]), place[0])):
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise InputError(f"{folder / chosen}: weight_map names {_shown(name)}. Accepted: safetensors beside it")
        files.setdefault(folder / name, set()).add(tensor)
    return files


def weight_files(folder: Path, component: str, variant: str | None = None) -> list[Path]:
    """Return the whole, readable weight files of a component: one, or its shards in order.

    Args:
        folder: Of the pipeline.
        component: As `unet`; "." for a folder that is itself a model.
        variant: As `fp16`; see `choose_weights`.

    Raises:
        InputError: Files are missing, cut or no safetensors; only other formats are there; a shard lacks tensors that
            the index places in it.
    """
    part = folder / component
    files = list_weights(part, [path.name for path in part.iterdir()] if part.is_dir() else [], variant)
    for path, tensors in files.items():
        if not path.is_file():
            raise InputError(f"{path}: missing; the index of the weights names {len(files)} shards")
        if lacking := sorted(tensors - _read_header(path).keys()):
            raise InputError(f"{path}: lacks {len(lacking)} tensors that the index places in it, as {lacking[0]}")
    return list(files)


def tensor_shapes(files: Sequence[Path]) -> dict[str, TensorInfo]:
    """Return type and shape of every tensor of safetensors files. Raises InputError for a cut or unreadable file."""
    return {name: info for path in files for name, info in _read_header(path).items()}


def check_tensors(folder: Path, found: Mapping[str, TensorInfo], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Raise InputError unless a component's weights have all wanted tensors in the wanted shapes.

    Args:
        folder: Of the component, for the message.
        found: What `tensor_shapes` returned.
        wanted: Shapes by name, as the component's config.json has them.
    """
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        raise InputError(f"{folder}: lacks {len(missing)} weights of its config.json, as {missing[0]}")
    for name in sorted(wanted):
        if found[name].shape != wanted[name]:
            raise InputError(
                f"{folder}: {name} has the shape {list(found[name].shape)}. "
                f"Accepted: {list(wanted[name])}, by its config.json"
            )


def join_weights(files: Sequence[Path], out: Path) -> None:
    """Write the tensors of safetensors files as one file, byte by byte; the tensors' names must differ."""
    entries: dict[str, Json] = {"__metadata__": {"format": "pt"}}
    start = 0
    for path in files:
        tensors, size = _tensors(path), path.stat().st_size - _body_start(path)
        for name, entry in tensors.items():
            entries[name] = {**entry, "data_offsets": [start + offset for offset in entry["data_offsets"]]}
        start += size
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors start at a multiple of 8, so that they can be mapped into memory
    with out.open("wb") as target:
        target.write(len(header).to_bytes(8, "little") + header)
        for path in files:
            with path.open("rb") as source:
                source.seek(_body_start(path))
                shutil.copyfileobj(source, target, 1 << 24)


def is_license(name: str) -> bool:
    """Say whether a file has the terms of a model, which travel with its weights."""
    return name.upper().startswith(("LICENSE", "NOTICE"))


def copy_licenses(folder: Path, out: Path) -> None:
    """Copy the license files of a pipeline's folder."""
    for path in folder.iterdir():
        if is_license(path.name):
            shutil.copyfile(path, out / path.name)


def check_tokenizer(folder: Path, *, vocabulary: int, max_length: int | None = None) -> None:
    """Check a tokenizer's files against the text encoder that reads its ids.

    Args:
        folder: Of the tokenizer.
        vocabulary: How many ids the text encoder knows.
        max_length: Most tokens that the text encoder takes; None where the reader does not go by the tokenizer's own.

    Raises:
        InputError: Files are missing, the vocabulary is empty or too large, or `model_max_length` is none or too large
            (transformers takes 1e30 for one that is missing).
    """
    config = read_json(folder / "tokenizer_config.json")
    if max_length is not None:
        length = WholeNumber(1, max_length, source="what the text encoder takes")
        check_fields(folder / "tokenizer_config.json", config, {"model_max_length": length})
    path, ids = _vocabulary(folder)
    if not ids:
        raise InputError(f"{path}: the vocabulary is empty. Accepted: the ids of words and characters")
    added = config.get("added_tokens_decoder")
    highest = max([*ids, *(int(number) for number in added if number.isdecimal())] if isinstance(added, dict) else ids)
    if highest >= vocabulary:
        raise InputError(
            f"{path}: has ids up to {highest}. Accepted: below {vocabulary}, the text encoder's vocab_size"
        )


def _vocabulary(folder: Path) -> tuple[Path, list[int]]:
    """Read the ids of a tokenizer's words from the file that has them; a sentencepiece model is only measured."""
    fast, words, merges = folder / "tokenizer.json", folder / "vocab.json", folder / "merges.txt"
    if fast.is_file():
        values = read_json(fast)
        model = values.get("model")
        entries = model.get("vocab") if isinstance(model, dict) else None
        if not entries or (isinstance(model, dict) and model.get("type") == "BPE" and not model.get("merges")):
            return fast, []
        ids = list(entries.values()) if isinstance(entries, dict) else list(range(len(entries)))
        ids += [token.get("id") for token in values.get("added_tokens") or [] if isinstance(token, dict)]
        return fast, [number for number in ids if isinstance(number, int)]
    if words.is_file():
        _refuse_pointer(merges)
        if all(line.startswith(b"#") or not line.strip() for line in merges.read_bytes().split(b"\n")):
            return merges, []
        return words, [number for number in read_json(words).values() if isinstance(number, int)]
    pieces = folder / "spiece.model"
    if not pieces.is_file():
        raise InputError(f"{fast}: missing. Accepted: tokenizer.json, vocab.json with merges.txt, or spiece.model")
    _refuse_pointer(pieces)
    return pieces, [0] if pieces.stat().st_size else []


def _refuse_pointer(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path}: missing")
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise InputError(_lfs_pointer(path))


def _body_start(path: Path) -> int:
    """Return the offset of the first tensor's bytes. Raises InputError unless the file begins as safetensors do."""
    _refuse_pointer(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if size < 8 or 8 + min(length, MAX_HEADER) > size:
        raise InputError(f"{path}: {size} bytes, cut within its header, or no safetensors file; fetch it again")
    if length > MAX_HEADER:
        raise InputError(f"{path}: no safetensors file: its header has {length} bytes. Accepted: up to {MAX_HEADER}")
    return 8 + length


def _tensors(path: Path) -> dict[str, dict[str, Json]]:
    """Return the entries of a safetensors header by tensor."""
    end = _body_start(path)
    with path.open("rb") as file:
        data = file.read(end)[8:]
    try:
        header = json.loads(data)
    except (ValueError, RecursionError):
        raise InputError(f"{path}: no safetensors file: its header is not JSON; fetch it again") from None
    if not isinstance(header, dict):
        raise InputError(f"{path}: no safetensors file: its header is a JSON {type(header).__name__}")
    return {name: entry for name, entry in header.items() if name != "__metadata__"}


def _read_header(path: Path) -> dict[str, TensorInfo]:
    start, size, stop, found = _body_start(path), path.stat().st_size, 0, {}
    for name, entry in _tensors(path).items():
        try:
            info = TensorInfo(str(entry["dtype"]), tuple(int(side) for side in entry["shape"]))
            first, last = (int(offset) for offset in entry["data_offsets"])
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{path}: {name} is {_shown(entry)} in the header. Accepted: dtype, shape, data_offsets"
            ) from None
        bits = ITEM_BITS.get(info.dtype)
        if bits is not None and math.prod(info.shape) * bits != 8 * (last - first):
            raise InputError(f"{path}: {name} has {last - first} bytes, not those of {info.dtype} {list(info.shape)}")
        stop, found[name] = max(stop, last), info
    if start + stop != size:
        state = "is cut" if start + stop > size else "has bytes after its last tensor"
        raise InputError(f"{path}: {state}: {size} bytes; by its header {start + stop}. Fetch it again")
    if not found:
        raise InputError(f"{path}: has no tensors")
    return found


def _no_safetensors(names: Collection[str]) -> str:
    """Say that a component has no safetensors weights, and how to convert what it has."""
    others = sorted(name for name in names if name.endswith(UNSAFE_FORMATS))
    if not others:
        return f"no weights. Accepted: {' or '.join(f'{stem}.safetensors' for stem in STEMS)}, whole or in shards"
    return (
        f"only {others[0]}, which Platen does not open. Accepted: safetensors weights; diffusers converts them: "
        "DiffusionPipeline.from_pretrained(FOLDER, use_safetensors=False).save_pretrained(NEW_FOLDER)"
    )


def _lfs_pointer(path: Path) -> str:
    return f"{path}: a git-lfs pointer and not the file itself; `git lfs pull` in its repository fetches it"


def _has(folder: Path, name: str) -> bool:
    return (folder / name).is_file()


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))


def _shown(value: Json) -> str:
    return f"{json.dumps(value)[:80]}"
