"""Names of the container images: one a stage."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platen import __version__
from platen.core.errors import InputError

RUN_IMAGES = "PLATEN_IMAGES"  # variable that tells preflight the images of the later tasks: stage=image, by blanks
LOCAL = "platen"  # registry and name that `make images` gives unless told another
REGISTRY = re.compile(r"[a-z0-9]+([.-]+[a-z0-9]+)*(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Images:
    """Where the stages' images are: all with one tag, or each with a digest of its own."""

    registry: str = LOCAL
    tag: str = __version__
    digests: Mapping[str, str] | None = None

    def name(self, stage: str) -> str:
        """The full name of a stage's image. Raises InputError where there are digests, but none of it."""
        short = stage.replace("_", "-")
        if self.digests is None:
            return f"{self.registry}/{short}:{self.tag}"
        digest = self.digests.get(f"{LOCAL}/{short}")
        if digest is None:
            known = ", ".join(sorted(self.digests)) or "none"
            raise InputError(f"no digest of {LOCAL}/{short}; there are digests of: {known}. `make images` writes all")
        return f"{self.registry}/{short}@{digest}"


def image(stage: str) -> str:
    """The image of a stage, as it is called unless `platen compile` is told another place."""
    return Images().name(stage)


def chosen_images(registry: str | None, tag: str | None, digests: Path | None) -> Images:
    """Images as a command line names them. Raises InputError for what cannot be part of an image's name."""
    if registry is not None and not REGISTRY.fullmatch(registry):
        raise InputError(f"--registry must be host[:port][/path], e.g. registry.example.com/platen (got {registry})")
    if tag is not None and digests is not None:
        raise InputError("--tag and --digests cannot be combined; a digest is more specific than a tag")
    if tag is not None and (not TAG.fullmatch(tag) or tag == "latest"):
        raise InputError(f"--tag must be a fixed version, e.g. {__version__} (got {tag})")
    return Images(registry or LOCAL, tag or __version__, None if digests is None else read_digests(digests))


def read_digests(path: Path) -> dict[str, str]:
    """Digests by image, as `make images PUSH=1` leaves them: {"platen/train": "sha256:…"}."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `make images PUSH=1` writes build/images.json") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a JSON file of digests: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f'{path}: a {type(found).__name__}. Accepted: {{"{LOCAL}/train": "sha256:…"}}')
    for name, digest in found.items():
        if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
            raise InputError(f"{path}: {name}: {digest!r} is not a digest. Accepted: sha256: and 64 hexadecimal digits")
    return found
