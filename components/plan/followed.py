"""Profiles of published models, which come along: a plan for one of them needs no torch.

`followed.json` is written by `python -m tests.components.plan.write_followed`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platen.components.plan.profile import ModelFacts

FOLLOWED = Path(__file__).with_name("followed.json")
LIBRARIES = ("torch", "diffusers")  # they say what a configuration stands for, and which operations a step of it has


def followed_profile(config: Mapping[str, Any], side: int, tokens: int, precision: str) -> ModelFacts | None:
    """The profile of a published model's network; None for another one, and where other libraries are installed.

    Args:
        config: Of the network, as published; what it leaves out is as diffusers has it.
        side: Height and width of the latents.
        tokens: Length of the captions.
        precision: fp32, bf16 or fp16.
    """
    known = _known()
    if known["libraries"] != versions():
        return None
    wanted = complete(config, known["defaults"])
    models = [model for model in known["models"] if model["config"] == wanted]
    found = [model["profiles"].get(name_of(side, tokens, precision)) for model in models]
    return ModelFacts.from_summary(found[0]) if found and found[0] else None


def complete(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with what it leaves out, without what no operation depends on."""
    given = {name: value for name, value in config.items() if not name.startswith("_")}
    whole = {**defaults, **given, "sample_size": None}  # the size that a model was made for; side counts
    return dict(json.loads(json.dumps(whole)))


def name_of(side: int, tokens: int, precision: str) -> str:
    """A model's profile by what it is of besides the model."""
    return f"{side}-{tokens}-{precision}"


def versions() -> dict[str, str]:
    """Of the libraries that a profile depends on, without the build (`+cpu`), which it does not depend on."""
    return {name: version(name).partition("+")[0] for name in LIBRARIES}


@cache
def _known() -> dict[str, Any]:
    return dict(json.loads(FOLLOWED.read_bytes()))
