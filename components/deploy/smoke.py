"""The smoke test: what a server of a new model must do before it may go live, tried over HTTP."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from platen.artifacts.releases import SMOKE_USER as USER
from platen.artifacts.releases import Check
from platen.components.deploy.settings import DeploySettings
from platen.core.errors import ProcessError
from platen.core.telemetry import track

if TYPE_CHECKING:
    import httpx

PATH = "/v1/images/generations"
BUSY = 429


def try_over_http(url: str, settings: DeploySettings, digest: str, last_words: Callable[[], str]) -> list[Check]:
    """The smoke test of what serves at an address; where there is no answer, the server's last words are told."""
    import httpx

    try:
        with httpx.Client(base_url=url, timeout=settings.answer_seconds) as client:
            return smoke_test(client, settings, digest)
    except httpx.HTTPError as error:
        raise ProcessError(f"smoke test: no answer ({type(error).__name__}: {error}); {last_words()}") from error


def smoke_test(client: httpx.Client, settings: DeploySettings, digest: str) -> list[Check]:
    """All checks and what was seen, in order. Raises ProcessError for the first that does not hold.

    Args:
        client: Has the server's address as its base.
        settings: The prompts, how many requests, and what counts as blank.
        digest: Of the model that must answer.
    """
    size = model_size(client)
    asking = Asking(client, digest, settings.answer_seconds)
    first = asking.ask(settings.smoke_prompts[0], settings.seed)
    return [
        check_picture(first, size, settings.blank_below),
        check_same(first, asking.ask(settings.smoke_prompts[0], settings.seed)),
        check_refusal(client),
        check_traffic(asking, settings, size),
    ]


def model_size(client: httpx.Client) -> tuple[int, int]:
    """Width and height of the model's pictures, as the server says, in pixels."""
    response = client.get("/v1/models")
    try:
        width, height = response.raise_for_status().json()["data"][0]["sizes"][0].split("x")
        return int(width), int(height)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ProcessError(
            f"/v1/models does not list the sizes that the model generates: {response.text[:200]}"
        ) from error


@dataclass(frozen=True, slots=True)
class Asking:
    """Whom to ask, the digest of the model that must answer, and the seconds that an answer may take."""

    client: httpx.Client
    digest: str
    seconds: float

    def ask(self, prompt: str, seed: int) -> bytes:
        """One picture: the bytes of a PNG."""
        response = self.answer({"prompt": prompt, "seed": seed, "response_format": "b64_json", "user": USER})
        if response.status_code != 200:
            raise ProcessError(f"smoke test: {prompt!r} returned status {response.status_code}: {response.text[:300]}")
        said = response.json()
        if said["model_digest"] != self.digest:
            raise ProcessError(f"smoke test: the model {said['model_digest']} answered instead of {self.digest}")
        return base64.b64decode(said["data"][0]["b64_json"])

    def answer(self, body: dict[str, Any]) -> httpx.Response:
        """The answer; where others keep the server busy, that to a later try."""
        until = time.monotonic() + self.seconds
        while True:
            response = self.client.post(PATH, json=body)
            if response.status_code != BUSY or time.monotonic() > until:
                return response
            time.sleep(min(float(response.headers.get("Retry-After", 1)), 10.0))


def check_picture(png: bytes, size: tuple[int, int], blank_below: float) -> Check:
    """A picture of the right size that shows something."""
    spread = inspect(png, size, blank_below)
    return Check(name="picture", detail=f"{size[0]}x{size[1]} pixels, standard deviation {spread:.1f} of 255")


def inspect(png: bytes, size: tuple[int, int], blank_below: float) -> float:
    """The standard deviation of a picture's pixels, 0 to 255. Raises ProcessError for a wrong size or a blank one."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(png)).convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise ProcessError(f"smoke test: the response is not an image: {error}") from error
    if image.size != size:
        raise ProcessError(f"smoke test: an image of {image.size} pixels; the model generates {size}")
    spread = float(np.asarray(image, dtype=np.float64).std())
    if spread < blank_below:
        raise ProcessError(f"smoke test: a blank image (deviation {spread:.2f}, below {blank_below:g})")
    return spread


def check_same(first: bytes, second: bytes) -> Check:
    """The same prompt and seed give the same bytes."""
    if first != second:
        raise ProcessError("smoke test: the same prompt and seed gave two different images")
    return Check(name="same_bytes", detail="the same prompt and seed, twice")


def check_refusal(client: httpx.Client) -> Check:
    """A request that cannot be honoured is refused by name."""
    response = client.post(PATH, json={"prompt": "a red circle", "size": "1x1", "user": USER})
    if response.status_code != 400 or '"size"' not in response.text:
        raise ProcessError(f"smoke test: a size of 1x1 returned status {response.status_code}: {response.text[:300]}")
    return Check(name="bad_request", detail="a size of 1x1 is refused with status 400")


def check_traffic(asking: Asking, settings: DeploySettings, size: tuple[int, int]) -> Check:
    """Every prompt in turn, until `smoke_requests` pictures were made and none was blank."""
    numbers = range(settings.smoke_requests)
    for number in track(numbers, "deploy: smoke test", len(numbers), "requests"):
        prompt = settings.smoke_prompts[number % len(settings.smoke_prompts)]
        inspect(asking.ask(prompt, settings.seed + number), size, settings.blank_below)
    return Check(name="traffic", detail=f"{settings.smoke_requests} requests, all answered with a picture")
