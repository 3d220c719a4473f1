"""What all families have in common whose models are diffusers folders with one denoising network."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from platen.core.errors import InputError, SettingsError
from platen.families.base import Conditions, Encoders
from platen.families.component_checks import (
    Configs,
    check_component_tokenizer,
    check_levels,
    check_scheduler,
    read_text_encoder,
)
from platen.families.layout import (
    CONFIG,
    MODEL_INDEX,
    ModelIndex,
    OneOf,
    WholeNumber,
    check_fields,
    check_index,
    check_tensors,
    read_config,
    read_json,
    read_model_index,
    tensor_shapes,
    weight_files,
)

OPTIONAL = ("safety_checker", "feature_extractor", "image_encoder")  # pipelines do without them

if TYPE_CHECKING:
    from torch import Tensor


class DiffusersFamily(ABC):
    """A family of diffusers pipelines. A subclass says how captions are encoded and how its network is called.

    Attributes:
        network: The component that is trained: unet or transformer.
        network_class: Its class in diffusers.
        earlier_classes: What configurations of the network that were published earlier call its class.
        autoencoder_class: The class of the autoencoder in diffusers.
        autoencoder_channels: The field of its configuration that has the channels of its latents, and its default.
        packed: Latents, of the autoencoder's, in one of those that the network reads.
        default_patch: Latents of a token, in height and width, where the network's configuration doesn't say.
        text_parts: Text encoders and tokenizers that it cannot do without.
        default_tokens: Tokens of a caption that the pipeline reads unless asked otherwise.
    """

    name: str
    pipelines: frozenset[str]
    task = "diffusion"
    network: ClassVar[str] = "transformer"
    network_class: ClassVar[str]
    earlier_classes: ClassVar[tuple[str, ...]] = ()
    autoencoder_class: ClassVar[str] = "AutoencoderKL"
    autoencoder_channels: ClassVar[tuple[str, int]] = ("latent_channels", 4)
    packed: ClassVar[int] = 1
    default_patch: ClassVar[int] = 1
    text_parts: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer")
    default_tokens: ClassVar[int] = 77
    variable_length: frozenset[str] = frozenset()
    samples_flow_match = True
    trains_text_encoder = False
    leaf_modules: tuple[str, ...]
    takes_adapters = True
    lora_targets: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0")

    @abstractmethod
    def encode_captions(self, pipeline: Any, captions: Sequence[str]) -> dict[str, list[Tensor]]:
        """Encode captions as the pipeline does when guidance is off; "" as it does the negative prompt."""

    def encode_tokens(self, pipeline: Any, captions: Sequence[str]) -> dict[str, list[Tensor]]:
        """Encode captions to token ids, where the text encoder is trained too."""
        raise NotImplementedError(f"{self.name} does not train the text encoder")

    @abstractmethod
    def predict(self, network: Any, noisy: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """Call the network as the pipeline does; see `platen.families.base.Denoiser.forward`."""

    @abstractmethod
    def example_conditions(self, config: Any, batch: int, size: tuple[int, int], tokens: int) -> dict[str, Tensor]:
        """Make conditions of the right shapes for a network's configuration."""

    @abstractmethod
    def max_tokens(self, pipeline: Any) -> int:
        """Tokens that the text encoder reads of a caption."""

    @abstractmethod
    def count_tokens(self, pipeline: Any, caption: str) -> int:
        """Count the tokens of a whole caption, its marks included."""

    @abstractmethod
    def tiny(self, out: Path, seed: int) -> None:
        """Write a small random model of the real classes as a diffusers folder, for tests."""

    def encode_images(self, pipeline: Any, pixels: Tensor) -> Tensor:
        """Encode pixels (n, 3, height, width) in [-1, 1] to latents: the mode, shifted and scaled."""
        config = pipeline.vae.config
        mode: Tensor = pipeline.vae.encode(pixels).latent_dist.mode()
        return (mode - (config.get("shift_factor") or 0.0)) * float(config["scaling_factor"])

    def latent_channels(self, config: Any) -> int:
        """Channels of the latents that noise is added to, by the network's configuration."""
        return int(config["in_channels"])

    def latent_scale(self, folder: Path) -> int:
        """Pixels per latent, by the autoencoder's configuration."""
        config = self.read_config(folder, "vae")
        check_levels(folder / "vae" / CONFIG, config)
        return int(2 ** (len(config["block_out_channels"]) - 1))

    def patch_size(self, config: Mapping[str, Any]) -> int:
        """Latents that the network reads as one token, in height and width, by its configuration."""
        return int(config.get("patch_size") or self.default_patch)

    def generation_arguments(self, guidance_scale: float, images: int = 1) -> dict[str, Any]:
        """Name the pipeline's arguments for a strength of guidance; 1 or less turns it off.

        Args:
            guidance_scale: Strength.
            images: As many prompts as the pipeline is given.
        """
        return {"guidance_scale": guidance_scale}

    def size_multiple(self, folder: Path) -> int:
        """Return what width and height of images must be divisible by, in pixels: a patch, and 8 for the pipelines."""
        return math.lcm(8, self.latent_scale(folder) * self.patch_size(self.read_config(folder, self.network)))

    def read_config(self, folder: Path, part: str) -> dict[str, Any]:
        """Read a part's config.json. Raises InputError where it is missing or no JSON object."""
        return read_json(folder / part / CONFIG)

    def needed(self, index: ModelIndex) -> tuple[str, ...]:
        """Name the components to check and to copy: what the family can't do without, and others that are named."""
        needed = (self.network, "vae", *self.text_parts, "scheduler")
        others = sorted(name for name, kind in index.components.items() if kind and name not in (*needed, *OPTIONAL))
        return (*needed, *others)

    def weighted(self, index: ModelIndex) -> tuple[str, ...]:
        """Name those of the needed components that have weights."""
        needed = self.needed(index)
        return tuple(name for name in needed if name in (self.network, "vae") or name.startswith("text_encoder"))

    def check(self, folder: Path) -> None:
        """Raise InputError for the first fault in the JSON files and tokenizers of a folder."""
        index = read_model_index(folder)
        check_index(index, self.pipelines, self.needed(index))
        configs = self.read_configs(index)
        for name in self.needed(index):
            encoder = name.replace("tokenizer", "text_encoder")
            if name.startswith("tokenizer") and encoder in configs:
                check_component_tokenizer(folder / name, configs[encoder], _class_of(index, encoder))
        check_scheduler(folder / "scheduler")

    def read_configs(self, index: ModelIndex) -> Configs:
        """Read the config.json of each model of a folder. Raises InputError where they don't fit each other."""
        folder = index.folder
        file, three = folder / "vae" / CONFIG, OneOf([3], default=3, source="red, green and blue")
        field, default = self.autoencoder_channels
        vae = {field: default, **read_config(file.parent, (self.autoencoder_class,))}
        check_fields(file, vae, {"in_channels": three, "out_channels": three, field: WholeNumber()})
        self.latent_scale(folder)
        configs = {"vae": vae}
        for part in self.weighted(index):
            if part.startswith("text_encoder"):
                configs[part] = read_text_encoder(folder / part, _class_of(index, part))
        file = folder / self.network / CONFIG
        configs[self.network] = read_config(file.parent, (self.network_class, *self.earlier_classes))
        check_fields(file, configs[self.network], self.network_fields(file, configs))
        if not self.describes(configs[self.network]):
            raise InputError(f"{file}: describes a network of another family. Accepted: one of {self.name}")
        return configs

    def network_fields(self, file: Path, configs: Configs) -> dict[str, OneOf | WholeNumber]:
        """Name what fields of the network's configuration may be, given by those of the other components.

        Args:
            file: The network's config.json, for errors.
            configs: Of all models, the text encoders' with their defaults.
        """
        field, _ = self.autoencoder_channels
        times = "" if self.packed == 1 else f"{self.packed} x "
        channels = self.packed * int(configs["vae"][field])
        return {"in_channels": OneOf([channels], source=f"{times}{field} of vae/config.json")}

    def check_weights(self, folder: Path, variant: str | None = None) -> None:
        """Raise InputError for missing or cut weights, and for outer layers of other sizes than the configs have."""
        index = read_model_index(folder)
        outer = self.outer_layers(self.read_configs(index))
        for part in self.weighted(index):
            found = tensor_shapes(weight_files(folder, part, variant))
            # transformers 5 writes a text encoder's names without this prefix, older releases with it
            found = {name.removeprefix("text_model."): info for name, info in found.items()}
            check_tensors(folder / part, found, outer.get(part, {}))

    def outer_layers(self, configs: Configs) -> dict[str, dict[str, tuple[int, ...]]]:
        """Return shapes of tensors by component and name that are known by the configurations alone."""
        return {}

    def check_network(self, folder: Path, files: Sequence[Path]) -> None:
        """Raise InputError unless weight files have every tensor of a folder's network, in its shape.

        Builds the network without memory for its weights; this imports torch.
        """
        import torch

        path = folder / self.network / CONFIG
        config = read_json(path)
        try:
            with torch.device("meta"):
                network = self.build_network(config).network
        except Exception as error:  # on fields that contradict each other diffusers raises what it likes
            raise InputError(f"{path}: no {self.network_class} can be built by it: {error}") from error
        wanted = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
        check_tensors(folder / self.network, tensor_shapes(files), wanted)

    def encoders(self, folder: Path, device: str, *, tokens: bool = False) -> Encoders:
        """Load the pipeline without its network, in fp32."""
        if tokens and not self.trains_text_encoder:
            problem = f"'tokens', but of {self.name} ({folder}) the text encoder is not trained"
            raise SettingsError("encode.text", problem, "embeddings")
        from platen.families.diffusers_models import PipelineEncoders, load_encoders

        pipeline = load_encoders(folder, device, without=self.network)
        return PipelineEncoders(self, pipeline, self.encode_tokens if tokens else self.encode_captions)

    def trained_parts(self, *, with_text_encoder: bool = False) -> tuple[str, ...]:
        """Name the folders of what is trained."""
        return (self.network, "text_encoder") if with_text_encoder else (self.network,)

    def weight_files(self, folder: Path, *, with_text_encoder: bool = False) -> dict[str, list[Path]]:
        """Find the safetensors files of each part that is trained: one, or those that an index names."""
        parts = self.trained_parts(with_text_encoder=with_text_encoder)
        return {part: weight_files(folder, part) for part in parts}

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Whether a network's config.json is one of this family, by its class."""
        return config.get("_class_name") == self.network_class

    def check_size(self, config: Mapping[str, Any], size: tuple[int, int]) -> None:
        """Raise InputError for latents (height, width) that the network cannot read: not a multiple of its patches."""
        patch = self.patch_size(config)
        if any(side % patch for side in size):
            raise InputError(f"latents of {size[0]} x {size[1]}: accepted: multiples of {patch}, the network's patches")

    def caption_tokens(self, folder: Path) -> int:
        """Tokens that the family's text encoder reads by default."""
        return self.default_tokens

    def build(self, folder: Path, *, with_text_encoder: bool = False) -> Any:
        """Make the denoiser, its weights not loaded."""
        denoiser = self.build_network(self.read_config(folder, self.network))
        if with_text_encoder:
            denoiser.text_encoder = self.build_text_encoder(folder)
        return denoiser

    def build_network(self, config: Mapping[str, Any]) -> Any:
        """Make the denoiser of a network's configuration alone, its weights not loaded."""
        import diffusers

        from platen.families.diffusers_models import NetworkDenoiser

        return NetworkDenoiser(self, getattr(diffusers, self.network_class).from_config(dict(config)))

    def load(self, folder: Path, *, with_text_encoder: bool = False) -> Any:
        """Make the denoiser with the folder's weights in fp32."""
        import diffusers

        from platen.families.diffusers_models import NetworkDenoiser, load_part

        network = load_part(getattr(diffusers, self.network_class), folder / self.network)
        return NetworkDenoiser(self, network, self.load_text_encoder(folder) if with_text_encoder else None)

    def build_text_encoder(self, folder: Path) -> Any:
        """Make the text encoder that is trained too, its weights not loaded."""
        raise NotImplementedError(f"{self.name} does not train the text encoder")

    def load_text_encoder(self, folder: Path) -> Any:
        """Make the text encoder that is trained too, with the folder's weights in fp32."""
        raise NotImplementedError(f"{self.name} does not train the text encoder")

    def encode_ids(self, text_encoder: Any, conditions: Conditions) -> Conditions:
        """Turn the token ids of a batch into what `predict` reads, by a text encoder that is trained too."""
        raise NotImplementedError(f"{self.name} does not train the text encoder")

    def set_resolution(self, denoiser: Any, folder: Path, resolution: tuple[int, int]) -> None:
        """Set the sample_size of a UNet, which pipelines generate at; of a transformer it is not theirs alone."""
        if self.network == "unet":
            width, height = (side // self.latent_scale(folder) for side in resolution)
            denoiser.network.register_to_config(sample_size=width if width == height else (height, width))

    def save_adapters(self, denoiser: Any, base: Path, folder: Path) -> None:
        """Write the adapters by the pipeline class of the base."""
        from platen.families.diffusers_models import save_adapters

        save_adapters(denoiser.network, self.network, base, folder)

    def load_adapters(self, denoiser: Any, folder: Path) -> None:
        """Put written adapters beside the network's layers."""
        from platen.families.diffusers_models import load_adapters

        load_adapters(denoiser.network, self.network, folder)

    def example(
        self, denoiser: Any, batch: int, size: tuple[int, int], tokens: int
    ) -> tuple[Tensor, Tensor, Conditions]:
        """Make inputs of a forward pass with the right shapes, on the current default device."""
        import torch

        config = denoiser.network.config
        noisy = torch.zeros(batch, self.latent_channels(config), *size)
        return noisy, torch.zeros(batch), self.example_conditions(config, batch, size, tokens)


def _class_of(index: ModelIndex, part: str) -> str:
    """Return the class of a component. Raises InputError if model_index.json names none."""
    component = index.components.get(part)
    if component is None:
        raise InputError(f"{index.folder / MODEL_INDEX}: {part} is missing. Accepted: [library, class]")
    return component[1]
