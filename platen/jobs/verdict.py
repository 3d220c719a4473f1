"""Why a job failed, and whether starting all its pods again can help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platen.core.errors import PlatenError, UserError
from platen.jobs.exit_codes import OUT_OF_TIME
from platen.jobs.pods import End


@dataclass(frozen=True)
class Failure:
    """Why a job failed.

    Attributes:
        reason: In words.
        pod: The pod to blame, where one is.
        code: Its exit code.
        error: What a rank raised; starting again would raise it again.
        final: Starting again cannot help.
    """

    reason: str
    pod: str = ""
    code: int | None = None
    error: PlatenError | None = None
    final: bool = False


def judge(ends: Sequence[End], said: PlatenError | None) -> Failure:
    """Determine the root cause.

    The user's errors are final. So is any other that a rank raised, or an exit code below 128, unless a pod was killed
    or evicted meanwhile: then its peers' words are only about that. A time budget that is used up is final too.
    """
    lost = [end for end in ends if end.lost]
    if isinstance(said, UserError) or (said is not None and not lost):
        return Failure(str(said), error=said, final=True)
    own = [end for end in ends if end.code is not None and end.code < 128]
    blamed = sorted(lost or own or ends, key=lambda end: end.finished)
    if not blamed:
        return Failure("its pods are gone: deleted, or their node was lost")
    first = blamed[0]
    final = (bool(own) or first.code == OUT_OF_TIME) and not lost
    return Failure(str(first), first.pod, first.code, final=final)
