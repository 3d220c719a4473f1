"""What can be set of deploy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from platen.components.deploy.deployment_settings import DeploymentSettings
from platen.core.settings import Settings

Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

PROMPTS = tuple(
    f"a {colour} {shape} on a {background} background"
    for colour in ("red", "green", "blue", "yellow")
    for shape in ("circle", "square")
    for background in ("white", "black")
)


class DeploySettings(Settings):
    """Section `deploy` of the settings file."""

    smoke_prompts: tuple[Prompt, ...] = Field(
        PROMPTS, min_length=1, description="Prompts that the new server is tried with, in turn"
    )
    smoke_requests: int = Field(16, ge=1, le=10_000, description="Requests that the new server must answer well")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of the first of these requests; the next has one more")
    blank_below: float = Field(
        1.0,
        ge=0,
        le=255,
        description="Pixels' standard deviation (0 to 255) below which a picture is blank",
    )
    deployment: DeploymentSettings | None = Field(
        None,
        exclude=True,
        description="the Deployment to release to, on the cluster that is found; null for a trial on this machine",
    )
    device: Literal["auto", "cuda", "cpu"] = Field(
        "auto", exclude=True, description="What the new server is tried on; auto takes cuda where there is a device"
    )
    ready_seconds: float = Field(600.0, gt=0, exclude=True, description="Seconds until the new server must be ready")
    answer_seconds: float = Field(300.0, gt=0, exclude=True, description="Seconds that one answer may take")
    stop_seconds: float = Field(30.0, gt=0, exclude=True, description="Seconds after SIGTERM before it is killed")
