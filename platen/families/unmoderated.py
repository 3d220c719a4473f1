"""Pipelines without the part that judges their pictures."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def without_checker(pipeline: T) -> T:
    """A pipeline of diffusers whose safety checker, where it has one, is taken out.

    Stable Diffusion 1.x brings one, which turns pictures that it flags black and says so in a field nobody would see.
    """
    if getattr(pipeline, "safety_checker", None) is not None:
        pipeline.register_modules(safety_checker=None, feature_extractor=None)  # type: ignore[attr-defined]
    return pipeline
