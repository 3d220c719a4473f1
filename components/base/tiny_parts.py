"""What the tiny models of all families are made of."""

from __future__ import annotations

from dataclasses import dataclass

from diffusers import AutoencoderKL, DDIMScheduler
from torch import Tensor
from transformers import CLIPModel, CLIPTokenizer

from platen.components.base.settings import BaseModelSettings


@dataclass(frozen=True)
class Parts:
    """Trained parts, and what they were trained on.

    Attributes:
        pixels: Images (n, 3, resolution, resolution) in [-1, 1].
        captions: Their captions.
    """

    settings: BaseModelSettings
    resolution: int
    pixels: Tensor
    captions: list[str]
    tokenizer: CLIPTokenizer
    clip: CLIPModel
    autoencoder: AutoencoderKL

    @property
    def latent_size(self) -> int:
        """Side of the latents."""
        return self.resolution // int(2 ** (len(self.settings.tiny.vae_channels) - 1))


def new_scheduler() -> DDIMScheduler:
    """Make v-prediction on a cosine schedule that ends in pure noise (arXiv 2202.00512, 2102.09672, 2305.08891)."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        steps_offset=1,
    )
