"""Names of the container images: one a stage, all with the package's version as their tag."""

from __future__ import annotations

from platen import __version__


def image(stage: str) -> str:
    """The image of a stage, as `platen compile` writes it unless told another registry."""
    return f"platen/{stage.replace('_', '-')}:{__version__}"
