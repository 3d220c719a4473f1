"""What a model family is: all that Platen knows about one kind of model, in one module.

Nothing outside `platen.families` names a UNet, a VAE, CLIP or T5. The judge of every family is diffusers' own pipeline:
what `Denoiser.forward` hands the network must be what the pipeline hands it (tests/platen/families/parity.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

    from platen.families.layout import ModelIndex

Conditions = Mapping[str, "Tensor"]
"""What steers a prediction, by the family's own names: prompt_embeds, pooled_prompt_embeds, ..., one row per sample."""

MASK = "_mask"
"""Ends the name of the mask (n, tokens), true at tokens, that belongs to conditions of variable length."""


class Encoders(Protocol):
    """The frozen encoders of a base model, in fp32."""

    @property
    def max_tokens(self) -> int:
        """Tokens that the text encoder reads of a caption, its marks included; the rest is cut off."""
        ...

    def count_tokens(self, caption: str) -> int:
        """Count the tokens of a whole caption, its marks included."""
        ...

    def encode_images(self, pixels: Tensor) -> Tensor:
        """Encode pixels (n, 3, height, width) in [-1, 1] to latents (n, channels, h, w), as noise is added to them.

        They are scaled as the network reads them, and never packed: that is the denoiser's business.
        """
        ...

    def encode_captions(self, captions: Sequence[str]) -> dict[str, list[Tensor]]:
        """Encode captions to named arrays, a tensor per caption.

        Those named in `Family.variable_length` are (tokens, ...) of each caption's own length, without padding.
        """
        ...


class Denoiser(Protocol):
    """What is trained; an nn.Module."""

    @property
    def network(self) -> nn.Module:
        """The denoising network itself, of which adapters, checkpointing and compilation are asked."""
        ...

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """As that of nn.Module, of which the rest is left out here."""
        ...

    def forward(self, noisy: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """Predict noise, v or velocity (noise - latents) from noisy latents.

        Args:
            noisy: (n, channels, h, w), as `Encoders.encode_images` gives them, with noise.
            timesteps: (n,) from 0 to the scheduler's num_train_timesteps, at which there is only noise.
            conditions: From `platen.families.batch.stack_conditions`.

        Returns:
            Of the shape of `noisy`.
        """
        ...


class Family(Protocol):
    """One kind of model."""

    name: str
    """As settings and manifests say it."""
    pipelines: frozenset[str]
    """The class names in model_index.json that it recognizes."""
    task: str
    """The module of platen.tasks that trains it."""
    variable_length: frozenset[str]
    """Names of conditions whose length differs by caption."""
    network_class: str
    """The class of the network in diffusers."""
    network: str
    """The component that is trained, by its name in the folder: unet or transformer."""
    samples_flow_match: bool
    """Whether the pipeline can sample with diffusers' FlowMatch schedulers."""
    trains_text_encoder: bool
    """Whether the text encoder can be trained with the network, from token ids."""
    leaf_modules: tuple[str, ...]
    """Class names of the modules that ZeRO-3 gathers at once; the blocks that repeat."""
    takes_adapters: bool
    """Whether adapters (LoRA) can be trained: diffusers loads them into the network."""
    lora_targets: tuple[str, ...]
    """Ends of the names of layers that get adapters unless settings say otherwise."""

    def needed(self, index: ModelIndex) -> tuple[str, ...]:
        """Name the components of a folder that are checked, and copied where it becomes the base model."""
        ...

    def weighted(self, index: ModelIndex) -> tuple[str, ...]:
        """Name those of the needed components that have weights."""
        ...

    def check(self, folder: Path) -> None:
        """Raise InputError for any fault in the JSON files and tokenizers of a base model. Imports no torch."""
        ...

    def check_weights(self, folder: Path, variant: str | None = None) -> None:
        """Raise InputError for weights that are missing, cut, or don't fit their config.json. Imports no torch.

        Args:
            folder: That `check` has passed.
            variant: Of the weights, as fp16; see `platen.families.layout.choose_weights`.
        """
        ...

    def check_network(self, folder: Path, files: Sequence[Path]) -> None:
        """Raise InputError unless files have every tensor of the network that a folder's config.json describes."""
        ...

    def trained_parts(self, *, with_text_encoder: bool = False) -> tuple[str, ...]:
        """Name the folders of what is trained, which are also the names of the denoiser's modules."""
        ...

    def weight_files(self, folder: Path, *, with_text_encoder: bool = False) -> dict[str, list[Path]]:
        """Find the safetensors files of each part that is trained, by the part's name. Imports no torch.

        Raises:
            InputError: There are none.
        """
        ...

    def encoders(self, folder: Path, device: str, *, tokens: bool = False) -> Encoders:
        """Load the frozen encoders; `tokens`: captions become token ids, to train the text encoder."""
        ...

    def build(self, folder: Path, *, with_text_encoder: bool = False) -> Any:
        """Make the denoiser of a folder's configuration, its weights not loaded, on the current default device."""
        ...

    def build_network(self, config: Mapping[str, Any]) -> Any:
        """Make the denoiser of a network's configuration alone, its weights not loaded."""
        ...

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Whether a network's config.json is one of this family. Imports no torch."""
        ...

    def check_size(self, config: Mapping[str, Any], size: tuple[int, int]) -> None:
        """Raise InputError for latents (height, width) that the network cannot read. Imports no torch."""
        ...

    def caption_tokens(self, folder: Path) -> int:
        """Tokens that a folder's text encoder reads, or this family's usual one if it has none. Imports no torch."""
        ...

    def load(self, folder: Path, *, with_text_encoder: bool = False) -> Any:
        """Make the denoiser with the folder's weights in fp32, on the CPU. Raises InputError where one is missing."""
        ...

    def example(
        self, denoiser: Any, batch: int, size: tuple[int, int], tokens: int
    ) -> tuple[Tensor, Tensor, Conditions]:
        """Make inputs of `Denoiser.forward` with the right shapes, on the current default device.

        Args:
            denoiser: From `build`.
            batch: Samples.
            size: Height and width of the latents.
            tokens: Length of captions.
        """
        ...

    def latent_scale(self, folder: Path) -> int:
        """Pixels per latent, in height and width. Imports no torch."""
        ...

    def set_resolution(self, denoiser: Any, folder: Path, resolution: tuple[int, int]) -> None:
        """Write the resolution (width, height) in pixels into the network's configuration, where it has a meaning.

        Args:
            denoiser: Its configuration is changed.
            folder: The model, for the scale of its latents.
            resolution: That it was trained at.
        """
        ...

    def save_adapters(self, denoiser: Any, base: Path, folder: Path) -> None:
        """Write a denoiser's adapters (LoRA), scale and targets with them, as diffusers' `load_lora_weights` reads it.

        Args:
            denoiser: With adapters from peft.
            base: The model that they belong to.
            folder: Where the file is written, the same bytes for the same adapters.
        """
        ...

    def load_adapters(self, denoiser: Any, folder: Path) -> None:
        """Put the adapters that `save_adapters` wrote beside the layers of a denoiser."""
        ...

    def size_multiple(self, folder: Path) -> int:
        """Return what width and height of images must be divisible by, in pixels. Imports no torch."""
        ...

    def tiny(self, out: Path, seed: int) -> None:
        """Write a small random model of the real classes as a diffusers folder, for tests."""
        ...
