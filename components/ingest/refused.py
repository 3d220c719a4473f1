"""Why a source gave no sample."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 (not an error of the run: it becomes a drop)
    """A source that gives no sample.

    Args:
        reason: As the drop report counts it.
        detail: In words, the same every time the same thing happens.
        again: Whether another attempt may go better.
        status: Of the HTTP answer, where there was one.
    """

    def __init__(self, reason: str, detail: str, *, again: bool = False, status: int | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.again, self.status = reason, detail, again, status
