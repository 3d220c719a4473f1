"""What can be set of serve."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from platen.core.settings import Settings


class ServeSettings(Settings):
    """Section `serve` of the settings file."""

    host: str = Field("127.0.0.1", exclude=True, description="Address to listen on; 0.0.0.0 for all of the machine")
    port: int = Field(8000, ge=0, le=65535, exclude=True, description="Port to listen on; 0 for any free one")
    log: str | None = Field(
        None, exclude=True, description="File that requests are logged to, JSON lines; none: where monitor looks"
    )
    log_every: float = Field(
        60.0,
        gt=0,
        exclude=True,
        description="Seconds between uploads of the request log to a bucket; a server that is killed loses so much",
    )
    name: str = Field("platen", min_length=1, max_length=100, description="Name that clients give as `model`")
    device: Literal["auto", "cuda", "cpu"] = Field("auto", description="auto takes cuda where there is a device")
    precision: Literal["float32", "bfloat16", "float16"] = Field("float32", description="Type the model computes in")
    steps: int = Field(25, ge=1, le=1000, description="Denoising steps a picture, where the request says nothing")
    max_steps: int = Field(100, ge=1, le=1000, description="Most denoising steps a request may ask for")
    guidance_scale: float = Field(
        2.0, ge=0, le=50, description="Classifier-free guidance where the request says nothing; 1 or less turns it off"
    )
    max_n: int = Field(8, ge=1, le=100, description="Most pictures a request may ask for")
    max_prompt: int = Field(1000, ge=1, le=100_000, description="Longest prompt, in characters")
    max_body: int = Field(65_536, ge=1024, exclude=True, description="Longest request body, in bytes")
    queue: int = Field(32, ge=1, exclude=True, description="Pictures that may wait; what comes then is told to retry")
    deadline: float = Field(120.0, gt=0, exclude=True, description="Seconds a request may take, waiting included")
    lame_duck: float = Field(
        0.0,
        ge=0,
        exclude=True,
        description="Seconds after SIGTERM in which new requests are still taken: behind a Service some still come",
    )
    drain: float = Field(60.0, ge=0, exclude=True, description="Seconds that accepted requests get after that")

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        if self.steps > self.max_steps:
            raise ValueError(
                f"steps is {self.steps}, above max_steps {self.max_steps}; lower the one or raise the other"
            )
        if self.max_n > self.queue:
            raise ValueError(f"max_n is {self.max_n}, but queue has room for {self.queue} pictures; raise queue")
        return self
