"""Every family generates what diffusers' own pipeline does."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from PIL.Image import Image
from transformers import PreTrainedTokenizerBase

from platen.artifacts.model import ModelRecord
from platen.core.errors import InputError
from platen.families.base import Family
from platen.families.generation import GenerationPipeline
from platen.families.registry import families
from tests.flagging_model import write_flagging_model

SIZE = (64, 64)
PROMPTS = ["a red circle", "a blue square on sand", ""]
SEEDS = [3, 2**32 - 1, 3]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=families(), ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> Family:
    chosen: Family = request.param
    return chosen


@pytest.fixture(scope="module")
def folder(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The family's tiny model, as if it was trained on 64 x 64 pixels."""
    out = tmp_path_factory.mktemp(family.name)
    family.tiny(out, seed=3)
    ModelRecord(family=family.name, resolution=SIZE).write(out)
    return out


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> GenerationPipeline:
    return GenerationPipeline.load(folder, "cpu", "float32")


def generate(pipeline: GenerationPipeline, *numbers: int, guidance_scale: float = 3.0, steps: int = 2) -> np.ndarray:
    """Images (n, 64, 64, 3) of some of the prompts."""
    prompts, seeds = [PROMPTS[number] for number in numbers], [SEEDS[number] for number in numbers]
    return stack(pipeline.generate(prompts, seeds, *SIZE, steps, guidance_scale))


def stack(images: list[Image]) -> np.ndarray:
    return np.stack([np.asarray(image, dtype=np.int16) for image in images])


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_images_are_those_of_diffusers_own_pipeline(
    folder: Path, pipeline: GenerationPipeline, guidance_scale: float
) -> None:
    by_hand = DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    by_hand.set_progress_bar_config(disable=True)
    expected = by_hand(
        prompt=PROMPTS[:2],
        height=SIZE[1],
        width=SIZE[0],
        num_inference_steps=2,
        generator=[torch.Generator().manual_seed(seed) for seed in SEEDS[:2]],
        **pipeline.family.generation_arguments(guidance_scale, 2),
    ).images
    assert (generate(pipeline, 0, 1, guidance_scale=guidance_scale) == stack(expected)).all()


def test_an_image_depends_on_its_prompt_and_seed_alone(pipeline: GenerationPipeline) -> None:
    alone = np.concatenate([generate(pipeline, number) for number in range(3)])
    assert (generate(pipeline, 0) == alone[:1]).all()
    assert np.abs(generate(pipeline, 2, 1, 0)[::-1] - alone).max() <= 1  # the order of sums depends on the batch
    assert (alone[0] != alone[1]).any() and (alone[0] != alone[2]).any()


def test_the_size_is_the_one_that_the_model_was_trained_at_or_any_multiple(pipeline: GenerationPipeline) -> None:
    assert pipeline.size == SIZE
    multiple = pipeline.multiple
    assert 64 % multiple == 0
    for width, height in (SIZE, (64 + multiple, 32), (32, 64 + multiple)):
        (image,) = pipeline.generate(["a circle"], [1], width, height, 1, 1.0)
        assert image.size == (width, height)


def test_without_a_record_the_size_is_the_pipelines_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipeline is called without a size, and stopped where it asks for latents of one."""
    base = shutil.copytree(folder, tmp_path / "base")
    (base / "platen.json").unlink()
    pipeline = GenerationPipeline.load(base, "cpu", "float32")
    signature = inspect.signature(pipeline.pipeline.prepare_latents)

    class StopError(Exception):
        pass

    def prepare_latents(*args: Any, **kwargs: Any) -> None:
        raise StopError({**signature.bind(*args, **kwargs).arguments})

    monkeypatch.setattr(pipeline.pipeline, "prepare_latents", prepare_latents)
    with pytest.raises(StopError) as stopped:
        pipeline.pipeline(prompt="a circle", num_inference_steps=1, **pipeline.family.generation_arguments(1.0))
    wanted = stopped.value.args[0]
    assert pipeline.size == (wanted["width"], wanted["height"])


def test_on_step_is_called_after_each_step_and_ends_the_generation(pipeline: GenerationPipeline) -> None:
    steps: list[int] = []
    pipeline.generate(["a circle"], [1], *SIZE, 3, 3.0, lambda: steps.append(1))
    assert len(steps) == 3

    class EnoughError(Exception):
        pass

    def on_step() -> None:
        steps.append(1)
        if len(steps) == 5:
            raise EnoughError

    with pytest.raises(EnoughError):
        pipeline.generate(["a circle"], [1], *SIZE, 50, 3.0, on_step)
    assert len(steps) == 5
    generate(pipeline, 0)  # not watched any more
    assert len(steps) == 5


def test_counting_tokens_leaves_the_generating_threads_tokenizer_alone(pipeline: GenerationPipeline) -> None:
    generate(pipeline, 0)
    tokenizers = [part for part in pipeline.pipeline.components.values() if isinstance(part, PreTrainedTokenizerBase)]
    before = [(one.backend_tokenizer.truncation, one.backend_tokenizer.padding) for one in tokenizers]
    assert any(padding for _, padding in before)
    assert 0 < pipeline.count_tokens("circle") < pipeline.count_tokens("circle " * 2000)
    assert pipeline.count_tokens("circle " * 2000) > pipeline.max_tokens > 0
    assert [(one.backend_tokenizer.truncation, one.backend_tokenizer.padding) for one in tokenizers] == before


def test_a_safety_checker_blackens_no_image(tiny_model: Any, tmp_path: Path) -> None:
    write_flagging_model(tmp_path, tiny_model.path)
    assert generate(GenerationPipeline.load(tmp_path, "cpu", "float32"), 0).any()


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{tmp_path}/model_index.json: missing"):
        GenerationPipeline.load(tmp_path, "cpu", "float32")
