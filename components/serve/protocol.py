"""The OpenAI images API as this server speaks it: every field of a request is honoured, or refused by name.

Source: the API reference of `POST /v1/images/generations`, as the official Python client sends it.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from platen.core.errors import PlatenError
from platen.core.settings import accepted_by, nearest

MAX_SEED = 2**53 - 1  # the largest that a JavaScript client can hold
SIDES = 2  # the longest side of a request by the model's own
SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})", re.ASCII)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class RefusalError(PlatenError):
    """A request that is answered with an error.

    Args:
        status: HTTP status.
        message: What is wrong and what would be accepted.
        param: The field that is at fault, where there is one.
        code: One word for programs.
        retry_after: Seconds after which the same request may work.
    """

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code, self.retry_after = status, param, code, retry_after

    @property
    def body(self) -> dict[str, Any]:
        """The API's own error shape."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        kind = "rate_limit_error" if self.status == 429 else kind
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


class ImageRequest(BaseModel):
    """Body of `POST /v1/images/generations`; the descriptions say what is accepted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    prompt: str = Field(description="a text that is not blank, without control characters")
    model: str | None = Field(None, description="the name in /v1/models")
    n: int | None = Field(None, ge=1, description="a number of pictures from 1 to the server's limit")
    size: str | None = Field(None, description='"auto", or WIDTHxHEIGHT in pixels as /v1/models allows')
    seed: int | None = Field(None, ge=0, le=MAX_SEED, description=f"a whole number from 0 to {MAX_SEED}")
    steps: int | None = Field(None, ge=1, description="a number of denoising steps from 1 to the server's limit")
    guidance_scale: float | None = Field(None, ge=0, le=50, description="a number from 0 to 50")
    response_format: Literal["b64_json"] | None = Field(None, description='"b64_json"; pictures are not kept for a URL')
    output_format: Literal["png"] | None = Field(None, description='"png"')
    quality: Literal["auto", "standard"] | None = Field(None, description='"auto" or "standard"; for more, set steps')
    background: Literal["auto", "opaque"] | None = Field(None, description='"auto" or "opaque"')
    stream: Literal[False] | None = Field(None, description="false; pictures come in one answer")
    partial_images: Literal[0] | None = Field(None, description="0; pictures come in one answer")
    user: str | None = Field(None, max_length=256, description="a text of at most 256 characters, for the request log")
    safety_identifier: str | None = Field(
        None, max_length=256, description="a text of at most 256 characters, for the request log"
    )
    style: None = Field(None, description="nothing; say the style in the prompt")
    moderation: None = Field(None, description="nothing; this server does not moderate")
    output_compression: None = Field(None, description="nothing; PNG loses nothing")
    complexity: None = Field(None, description="nothing; set steps")
    frame_count: None = Field(None, description="nothing; this server makes single pictures")
    frame_duration_ms: None = Field(None, description="nothing; this server makes single pictures")
    svg: None = Field(None, description="nothing; this server makes PNG")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may ask of this server and the model it has.

    Attributes:
        size: Width and height in pixels that the model was trained on, and makes unless a request says otherwise.
        size_multiple: What width and height must be divisible by.
        max_tokens: Longest prompt that the model's text encoder reads.
        count_tokens: How many tokens a prompt is.
    """

    name: str
    size: tuple[int, int]
    size_multiple: int
    max_n: int
    steps: int
    max_steps: int
    guidance_scale: float
    max_prompt: int
    max_tokens: int
    count_tokens: Callable[[str], int]

    @property
    def max_side(self) -> int:
        """The longest side of an image in pixels: twice the model's own, beyond which it was never trained."""
        return SIDES * max(self.size)

    @property
    def max_pixels(self) -> int:
        """The largest area of an image: the model's own, so that no size takes more memory or time than that."""
        return self.size[0] * self.size[1]

    def allows(self, width: int, height: int) -> bool:
        """Return whether an image may have this size, in pixels."""
        if (width, height) == self.size:
            return True
        sides_fit = all(0 < side <= self.max_side and side % self.size_multiple == 0 for side in (width, height))
        return sides_fit and width * height <= self.max_pixels

    def card(self) -> dict[str, Any]:
        """What a client may want to know beforehand."""
        return {
            "sizes": ["{}x{}".format(*self.size)],
            "size_multiple": self.size_multiple,
            "max_side": self.max_side,
            "max_pixels": self.max_pixels,
            "max_n": self.max_n,
            "steps": self.steps,
            "max_steps": self.max_steps,
            "guidance_scale": self.guidance_scale,
            "max_prompt_characters": self.max_prompt,
            "max_prompt_tokens": self.max_tokens,
        }


@dataclass(frozen=True, slots=True)
class Order:
    """A request with every default filled in. Picture i is made from seed + i."""

    prompt: str
    n: int
    width: int
    height: int
    seed: int
    steps: int
    guidance_scale: float
    user: str | None

    @property
    def size(self) -> str:
        """As the API writes it: 64x64."""
        return f"{self.width}x{self.height}"

    def entry(self) -> dict[str, Any]:
        """What the request log says of it."""
        return {
            "prompt": self.prompt,
            "n": self.n,
            "size": self.size,
            "seed": self.seed,
            "steps": self.steps,
            "guidance_scale": self.guidance_scale,
            "user": self.user,
        }


def accept(body: bytes, limits: Limits) -> Order:
    """The order that a request body stands for. Raises RefusalError for one that cannot be honoured in every field."""
    request = _parse(body)
    _check_model(request.model, limits)
    _check_prompt(request.prompt, limits)
    n = _within("n", request.n, limits.max_n, default=1)
    width, height = _size(request.size, limits)
    return Order(
        prompt=request.prompt,
        n=n,
        width=width,
        height=height,
        seed=_seed(request.seed, n),
        steps=_within("steps", request.steps, limits.max_steps, default=limits.steps),
        guidance_scale=limits.guidance_scale if request.guidance_scale is None else request.guidance_scale,
        user=request.safety_identifier or request.user,
    )


def answer(order: Order, pictures: list[bytes], created: int, model: Mapping[str, str]) -> dict[str, Any]:
    """The body of a successful answer: the API's fields, and the seed of each picture."""
    return {
        "created": created,
        "data": [
            {"b64_json": base64.b64encode(picture).decode(), "seed": order.seed + i}
            for i, picture in enumerate(pictures)
        ],
        "background": "opaque",
        "output_format": "png",
        "size": order.size,
        "seed": order.seed,
        "steps": order.steps,
        "guidance_scale": order.guidance_scale,
        **model,
    }


def _parse(body: bytes) -> ImageRequest:
    try:
        return ImageRequest.model_validate_json(body)
    except ValidationError as error:
        raise _explain(error.errors()[0]) from None


def _explain(fault: ErrorDetails) -> RefusalError:
    if not fault["loc"]:
        return RefusalError(400, f"The body is not a JSON object with a prompt: {fault['msg']}.", code="invalid_json")
    field = str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        known = nearest(field, ImageRequest.model_fields)
        return RefusalError(400, f"{field} is not known. Accepted: {known}.", param=field, code="unknown_parameter")
    accepted = accepted_by(ImageRequest, [field])
    if fault["type"] == "missing":
        return RefusalError(
            400, f"{field} is missing. Accepted: {accepted}.", param=field, code="missing_required_parameter"
        )
    code = "unsupported_parameter" if fault["type"] == "none_required" else "invalid_value"
    given = repr(fault["input"])[:100]
    return RefusalError(400, f"{field} is {given}. Accepted: {accepted}.", param=field, code=code)


def _check_model(model: str | None, limits: Limits) -> None:
    if model is not None and model != limits.name:
        message = f"model is {model[:100]!r}, which is not served here. Accepted: {limits.name!r}."
        raise RefusalError(404, message, param="model", code="model_not_found")


def _check_prompt(prompt: str, limits: Limits) -> None:
    if not prompt.strip() or CONTROL.search(prompt):
        fault = "blank" if not prompt.strip() else "a text with control characters"
        accepted = accepted_by(ImageRequest, ["prompt"])
        raise RefusalError(400, f"prompt is {fault}. Accepted: {accepted}.", param="prompt", code="invalid_value")
    if len(prompt) > limits.max_prompt:
        raise _too_long(f"{len(prompt)} characters", limits.max_prompt)
    tokens = limits.count_tokens(prompt)
    if tokens > limits.max_tokens:  # the text encoder would leave the rest unread
        raise _too_long(f"{tokens} tokens", limits.max_tokens)


def _too_long(found: str, limit: int) -> RefusalError:
    message = f"prompt is {found} long. Accepted: {limit} at most."
    return RefusalError(400, message, param="prompt", code="string_above_max_length")


def _within(field: str, value: int | None, most: int, default: int) -> int:
    chosen = default if value is None else value
    if chosen > most:
        message = f"{field} is {chosen}. Accepted: 1 to {most}."
        raise RefusalError(400, message, param=field, code="integer_above_max_value")
    return chosen


def _size(size: str | None, limits: Limits) -> tuple[int, int]:
    if size is None or size == "auto":
        return limits.size
    match = SIZE.fullmatch(size)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if not limits.allows(width, height):
        own = "{}x{}".format(*limits.size)
        message = (
            f"size is {size[:100]!r}. Accepted: auto, {own}, or WIDTHxHEIGHT, both multiples of {limits.size_multiple} "
            f"up to {limits.max_side}, of {limits.max_pixels} pixels at most."
        )
        raise RefusalError(400, message, param="size", code="invalid_value")
    return width, height


def _seed(seed: int | None, n: int) -> int:
    if seed is None:
        return secrets.randbelow(2**32)
    if seed + n - 1 > MAX_SEED:
        message = f"seed is {seed}, and picture {n} of {n} would need {seed + n - 1}. Accepted: 0 to {MAX_SEED}."
        raise RefusalError(400, message, param="seed", code="integer_above_max_value")
    return seed
