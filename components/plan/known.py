"""A model's profile: one that comes along, or one committed in the workspace.

A model that is not published is followed once, and planned for without torch from then on: to import torch and
diffusers takes three times as long as to follow a model of 866 million parameters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from platen.components.plan.followed import followed_profile, versions
from platen.components.plan.profile import ModelFacts, profile
from platen.core.manifest import Json, canonical
from platen.core.settings import Settings
from platen.core.stage import Inputs, Outcome, Place, Stage, run_stage
from platen.core.storage import write_file

PROFILE = "profile.json"


class ProfileSettings(Settings):
    """What a profile is of."""

    config: dict[str, Any] = Field(description="of the denoising network")
    side: int = Field(description="height and width of the latents")
    tokens: int = Field(description="length of the captions")
    precision: str = Field(description="fp32, bf16 or fp16")


def known_profile(settings: ProfileSettings, workspace: str) -> ModelFacts:
    """A model's profile. Raises InputError where it cannot be planned for."""
    published = followed_profile(settings.config, settings.side, settings.tokens, settings.precision)
    if published is not None:
        return published
    folder = run_stage(STAGE, settings, {}, workspace).folder
    return ModelFacts.from_summary(json.loads((folder.path / PROFILE).read_bytes()))


def write_profile(settings: ProfileSettings, inputs: Inputs, place: Place) -> Outcome:
    """Follow the model and write down what was seen."""
    facts = profile(settings.config, settings.side, settings.tokens, settings.precision)
    write_file(place.out / PROFILE, canonical(facts.summary(), indent=1))
    return Outcome(counts={"parameters": facts.parameters})


def libraries(settings: ProfileSettings, inputs: Inputs, workspace: str) -> Mapping[str, Json]:
    """The versions of the libraries that it depends on."""
    return versions()


STAGE = Stage(
    name="profile", version=2, kind="report", settings=ProfileSettings, inputs={}, work=write_profile, outside=libraries
)
