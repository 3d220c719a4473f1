"""A picture that cannot be used, and why."""

from __future__ import annotations

from typing import Literal

Reason = Literal["corrupt_image", "truncated_image", "too_small", "too_large", "blank_image"]


class Rejected(Exception):  # noqa: N818 (an answer about a picture, not a failure of the stage)
    """A picture that is left out: the reason as drop reports name it, and what was seen."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
