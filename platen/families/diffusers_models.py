"""Loading the parts of a diffusers folder, and the modules that families are made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from platen.core.errors import InputError
from platen.families.base import Conditions
from platen.families.unmoderated import without_checker

if TYPE_CHECKING:
    from platen.families.diffusers_family import DiffusersFamily

ACCEPTED = "a diffusers folder, safetensors weights and whole tokenizers in it"
TOLD_APART = ("a red circle", "a dog asleep")  # of one length: not told apart by how long they are
ADAPTER_METADATA = "lora_adapter_metadata"  # where diffusers looks for rank, scale and targets
TOKENIZER_OF = {"PixtralProcessor": "PreTrainedTokenizerFast"}
"""The class with which transformers loads the tokenizer in a processor of texts and images.

Pipelines ask the processor for texts alone, where it gives what its tokenizer does; it needs torchvision, which is not
installed.
"""


class NetworkDenoiser(nn.Module):
    """A network that its family calls as the pipeline does.

    Its weights are named as the component is in the folder: `transformer.x` or `unet.x`.

    Args:
        family: Of the network.
        network: What predicts.
        text_encoder: Trained with it if given; captions come as token ids then.
    """

    def __init__(self, family: DiffusersFamily, network: nn.Module, text_encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.family = family
        self.add_module(family.network, network)
        self.text_encoder = text_encoder

    @property
    def network(self) -> nn.Module:
        """The denoising network itself."""
        return self.get_submodule(self.family.network)

    def forward(self, noisy: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """Predict from noisy latents; see `platen.families.base.Denoiser.forward`."""
        if self.text_encoder is not None:
            conditions = self.family.encode_ids(self.text_encoder, conditions)
        return self.family.predict(self.network, noisy, timesteps, conditions)


class PipelineEncoders:
    """The encoders of a pipeline that was loaded without its network.

    Args:
        family: Of the pipeline.
        pipeline: From `load_encoders`.
        encode: The family's method that encodes captions.
    """

    def __init__(
        self,
        family: DiffusersFamily,
        pipeline: Any,
        encode: Callable[[Any, Sequence[str]], dict[str, list[Tensor]]],
    ) -> None:
        self.family = family
        self.pipeline = pipeline
        self.encode = encode

    @property
    def max_tokens(self) -> int:
        """Tokens that the text encoder reads of a caption, its marks included."""
        return self.family.max_tokens(self.pipeline)

    def count_tokens(self, caption: str) -> int:
        """Count the tokens of a whole caption, its marks included."""
        return self.family.count_tokens(self.pipeline, caption)

    @torch.inference_mode()
    def encode_images(self, pixels: Tensor) -> Tensor:
        """Encode pixels (n, 3, height, width) in [-1, 1] to latents (n, channels, h, w)."""
        return self.family.encode_images(self.pipeline, pixels.to(self.pipeline.device))

    @torch.inference_mode()
    def encode_captions(self, captions: Sequence[str]) -> dict[str, list[Tensor]]:
        """Encode captions to named arrays, a tensor per caption."""
        return self.encode(self.pipeline, captions)


def load_pipeline(folder: Path, device: str, dtype: str, **parts: Any) -> Any:
    """Load a folder's pipeline without its safety checker.

    Args:
        folder: A diffusers folder.
        device: Where to put it.
        dtype: Name of the precision, as float32.
        parts: Components that are loaded already; None for those to do without.

    Raises:
        InputError: diffusers cannot load it as a text-to-image pipeline.
    """
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for logging in (diffusers_logging, transformers_logging):
        logging.disable_progress_bar()
        logging.set_verbosity_error()  # they would print every caption that is too long; encode counts them
    try:
        index = json.loads((folder / "model_index.json").read_bytes())
        # Stable Diffusion 3 comes without T5 too: diffusers saves such a pipeline, but loads it only if told so
        absent = [name for name in ("text_encoder_3", "tokenizer_3") if index.get(name) == [None, None]]
        processors = load_processors(folder, index, parts)
        pipeline = DiffusionPipeline.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            local_files_only=True,
            use_safetensors=True,
            **dict.fromkeys(absent),
            **{**parts, **dict.fromkeys(processors)},
        )
        pipeline.register_modules(**processors)  # diffusers would compare them with the class that is not there
    except MemoryError:
        raise
    except Exception as error:  # on files that do not fit the libraries raise what they like
        first = str(error).strip().split("\n", 1)[0]
        raise InputError(f"{folder}: not a model that diffusers loads: {first}") from error
    pipeline.set_progress_bar_config(disable=True)
    return without_checker(pipeline).to(device)


def load_encoders(folder: Path, device: str, *, without: str) -> Any:
    """Load a folder's pipeline in fp32 without its network, each component whole.

    Args:
        folder: A diffusers folder.
        device: Where to put it.
        without: The network's name.

    Raises:
        InputError: A component cannot be loaded, lacks a weight, or a tokenizer does not fit its text encoder.
    """
    import diffusers
    import transformers

    libraries: dict[str, Any] = {"diffusers": diffusers, "transformers": transformers}
    parts: dict[str, Any] = {without: None}
    index = json.loads((folder / "model_index.json").read_bytes())
    for name, value in index.items():
        library, class_name = value if isinstance(value, list) and len(value) == 2 else (None, None)
        if library not in libraries or name in (without, "scheduler", "safety_checker", "feature_extractor"):
            continue
        kind = getattr(libraries[library], str(class_name), None)
        if isinstance(kind, type) and issubclass(kind, nn.Module):
            parts[name] = load_part(kind, folder / name).requires_grad_(False)
        elif name.startswith("tokenizer") and kind is not None and class_name not in TOKENIZER_OF:
            parts[name] = load_any(kind, folder / name)
    parts |= load_processors(folder, index, {})
    for name, part in parts.items():
        if name.startswith("tokenizer"):
            check_tokenizer(part, parts.get(name.replace("tokenizer", "text_encoder")), folder / name)
    return load_pipeline(folder, device, "float32", **parts)


def load_processors(folder: Path, index: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Load the tokenizers of those components of a folder that are processors of texts and images.

    Args:
        folder: A diffusers folder.
        index: Its model_index.json.
        given: Components that are loaded already.

    Raises:
        InputError: One cannot be loaded.
    """
    import transformers

    named = {name: value[1] for name, value in index.items() if isinstance(value, list) and len(value) == 2}
    found = {name: getattr(transformers, TOKENIZER_OF[kind]) for name, kind in named.items() if kind in TOKENIZER_OF}
    return {name: given[name] if name in given else load_any(kind, folder / name) for name, kind in found.items()}


def check_tokenizer(tokenizer: Any, text_encoder: Any, folder: Path) -> None:
    """Raise InputError for a tokenizer that does not tell captions apart, or has ids that its text encoder has not."""
    one, other = (tokenizer(caption).input_ids for caption in TOLD_APART)
    if one == other:
        raise InputError(f"{folder}: gives all captions the same ids; its words are missing. Accepted: {ACCEPTED}")
    if text_encoder is None:
        return
    highest, vocabulary = max(tokenizer.get_vocab().values()), text_encoder.get_input_embeddings().num_embeddings
    if highest >= vocabulary:
        raise InputError(
            f"{folder}: has ids up to {highest}; accepted: ids below {vocabulary}, the vocabulary of the text encoder"
        )


def load_any(kind: Any, folder: Path, **options: Any) -> Any:
    """Load a component by its class. Raises InputError where it cannot be loaded."""
    try:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    except MemoryError:
        raise
    except Exception as error:  # on files that do not fit the libraries raise what they like
        raise InputError(f"{folder}: cannot be loaded as {kind.__name__}: {error}. Accepted: {ACCEPTED}") from error


def load_part(kind: Any, folder: Path) -> Any:
    """Load a component in fp32.

    Raises:
        InputError: It cannot be loaded, or a weight is missing or of another size and would stay as it was drawn.
    """
    # sizes that do not match are let through to be named below: the libraries' own errors do not say which they are
    model, report = load_any(kind, folder, output_loading_info=True, ignore_mismatched_sizes=True)
    for fault, names in (("lacks", report["missing_keys"]), ("has other sizes of", report["mismatched_keys"])):
        if names:
            first = min(name if isinstance(name, str) else name[0] for name in names)
            raise InputError(
                f"{folder}: {fault} {len(names)} weights of its config.json, as {first}. Accepted: {ACCEPTED}"
            )
    return model.float()


def save_adapters(network: Any, name: str, base: Path, folder: Path) -> None:
    """Write a network's adapters in the format of diffusers' `save_lora_weights`, in the same bytes each time.

    Args:
        network: With adapters from peft.
        name: Of the component, which names of weights begin with if the pipeline is to load them.
        base: A diffusers folder, the pipeline.
        folder: Where the file is written.
    """
    import diffusers
    from diffusers.loaders.lora_base import LORA_WEIGHT_NAME_SAFE
    from peft.utils import get_peft_model_state_dict
    from safetensors.torch import save_file

    pipeline = getattr(diffusers, json.loads((base / "model_index.json").read_bytes())["_class_name"])
    prefix = f"{name}." if hasattr(pipeline, "load_lora_weights") else ""  # others leave it to their network
    settings = {
        prefix + key: sorted(value) if isinstance(value, set) else value  # peft keeps names in sets
        for key, value in network.peft_config["default"].to_dict().items()
    }
    tensors = {prefix + key: tensor.contiguous() for key, tensor in get_peft_model_state_dict(network).items()}
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {ADAPTER_METADATA: json.dumps(settings, indent=2, sort_keys=True)}
    save_file(tensors, folder / LORA_WEIGHT_NAME_SAFE, metadata=metadata)


def load_adapters(network: Any, name: str, folder: Path) -> None:
    """Put written adapters beside a network's layers."""
    from diffusers.loaders.lora_base import LORA_WEIGHT_NAME_SAFE
    from safetensors import safe_open

    with safe_open(folder / LORA_WEIGHT_NAME_SAFE, "pt") as file:
        prefix = name if all(key.startswith(f"{name}.") for key in file.keys()) else None  # noqa: SIM118 - no mapping
    network.load_lora_adapter(folder, prefix=prefix, weight_name=LORA_WEIGHT_NAME_SAFE)
