"""Names and texts that others wrote: which of them a file can have, and how they are written down."""

from __future__ import annotations

LONGEST = 255  # bytes of one part of a path: more, no file system of Linux takes


def encodable(name: str) -> str:
    r"""A name as it can be written down: bytes that are no UTF-8 as escapes, as in caf\udce9.png."""
    return name.encode(errors="backslashreplace").decode()


def whole(text: str) -> str:
    """A text in which halves of characters (JSON's lone surrogates) are U+FFFD: UTF-8 has no place for them."""
    return text.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le", errors="replace")


def fault(path: str) -> str | None:
    """Why no file can have this path, or none that can be told, in words; None where one can."""
    if encodable(path) != path:
        return "is not UTF-8"
    if "\0" in path:
        return "has a zero byte"
    if any(len(part.encode()) > LONGEST for part in path.split("/")):
        return f"has a part of more than {LONGEST} bytes"
    return None
