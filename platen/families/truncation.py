"""Count the texts that are longer than a text encoder reads."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable

from platen.core.telemetry import log

SHOWN = 120  # characters of the example


def count_truncated(texts: Iterable[str], count_tokens: Callable[[str], int], max_tokens: int, kind: str) -> int:
    """Count the texts whose end is cut off, and log one warning with the first of them.

    Args:
        texts: As they are handed to the tokenizer.
        count_tokens: Tokens of a whole text, its marks included.
        max_tokens: Tokens that the text encoder reads.
        kind: What the texts are, in the plural: captions, prompts.
    """
    total = truncated = 0
    example = ""
    for text in texts:
        total += 1
        if count_tokens(text) > max_tokens:
            truncated += 1
            example = example or text
    if truncated:
        log.warning(
            "%d of %d %s are longer than the %d tokens that the text encoder reads; their ends have no effect. "
            "One of them: %s",
            *(truncated, total, kind, max_tokens, textwrap.shorten(example, SHOWN, placeholder=" ...")),
        )
    return truncated
