"""A safety checker is taken out of a pipeline that has one, and nothing else is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from diffusers import DDIMScheduler, StableDiffusionPipeline

from platen.families.unmoderated import without_checker


def pipeline(checker: Any) -> StableDiffusionPipeline:
    """One whose parts are never called."""
    parts = dict.fromkeys(("vae", "text_encoder", "tokenizer", "unet"))
    made = StableDiffusionPipeline(
        **parts, scheduler=DDIMScheduler(), safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    made.safety_checker = checker
    return made


def test_the_checker_is_gone_and_so_from_the_index_of_what_is_saved() -> None:
    found = without_checker(pipeline(lambda images: images))
    assert (found.safety_checker, found.feature_extractor) == (None, None)
    assert found.config["safety_checker"] == (None, None)
    assert isinstance(found.scheduler, DDIMScheduler)


def test_a_pipeline_that_knows_no_checker_is_left_as_it_is() -> None:
    plain = SimpleNamespace(unet=1)
    assert without_checker(plain) is plain
    assert vars(plain) == {"unet": 1}
