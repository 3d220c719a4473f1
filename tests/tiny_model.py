"""A tiny random text-to-image model with the real classes, for tests that need one before anything was trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from platen.core.settings import Settings
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage, run_stage

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

SIDE = 64  # pixels
TOKENS = 32
COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("circle", "square", "triangle")
BACKGROUNDS = ("white", "black")
CAPTIONS = [
    f"a {size}{colour} {shape} on a {background} background"
    for size in ("", "small ", "large ")
    for colour in COLOURS
    for shape in SHAPES
    for background in BACKGROUNDS
]


class TinyModelSettings(Settings):
    """What the tiny model is drawn from."""

    seed: int = 0


def commit_tiny_model(workspace: str, seed: int = 0) -> Folder:
    """Make the model and commit it, with its manifest, below `<workspace>/train/`."""
    return run_stage(STAGE, TinyModelSettings(seed=seed), {}, workspace).folder


def write_tiny_model(folder: Path, seed: int = 0) -> None:
    """A diffusers folder that makes 64×64 noise, and beside its parts `clip/` (CLIPModel and CLIPProcessor files)."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tokenizer = tiny_tokenizer()
        pipeline = StableDiffusionPipeline(
            vae=AutoencoderKL(
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                block_out_channels=(8, 8, 16, 16),
                latent_channels=4,
                layers_per_block=1,
                norm_num_groups=4,
                sample_size=SIDE,
                mid_block_add_attention=False,
            ),
            text_encoder=CLIPTextModel(_text_config(tokenizer)),
            tokenizer=tokenizer,
            unet=UNet2DConditionModel(
                sample_size=SIDE // 8,
                block_out_channels=(16, 32),
                layers_per_block=1,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                cross_attention_dim=32,
                attention_head_dim=2,
                norm_num_groups=4,
            ),
            scheduler=DDIMScheduler(
                beta_schedule="squaredcos_cap_v2",
                prediction_type="v_prediction",
                clip_sample=False,
                set_alpha_to_one=True,
                timestep_spacing="trailing",
                rescale_betas_zero_snr=True,
                steps_offset=1,
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.save_pretrained(folder)
        write_clip(folder / "clip", tokenizer)


def tiny_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer that has one token for each word of the sample world, and bytes for all others.

    The merges are written here, since the trainer of the tokenizers library numbers its alphabet differently each time.
    """
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    merges: dict[str, tuple[str, str]] = {}
    for word in sorted({word for caption in CAPTIONS for word in caption.split()}):
        left, *rest = [*word[:-1], f"{word[-1]}</w>"]
        for right in rest:
            merges[left + right] = (left, right)
            left += right
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters), *merges]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=list(merges.values()), model_max_length=TOKENS)


def _text_config(tokenizer: CLIPTokenizer):  # type: ignore[no-untyped-def]  # transformers is not typed here
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        projection_dim=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def write_clip(folder: Path, tokenizer: CLIPTokenizer) -> None:
    """Write a random CLIP model that judges prompts."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPVisionConfig

    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        projection_dim=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=SIDE,
        patch_size=16,
    )
    config = CLIPConfig(
        text_config=_text_config(tokenizer).to_dict(), vision_config=vision.to_dict(), projection_dim=16
    )
    CLIPModel(config).save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    images = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=size)
    CLIPProcessor(images, tokenizer).save_pretrained(folder)


def _work(settings: TinyModelSettings, inputs: Inputs, place: Place) -> Outcome:
    write_tiny_model(place.out, settings.seed)
    return Outcome(counts={"parts": 6}, facts={"resolution": SIDE})


STAGE = Stage(name="train", version=1, kind="model", settings=TinyModelSettings, inputs={}, work=_work)
