"""Captions and licences that lie beside a picture."""

from __future__ import annotations

import codecs
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from platen.components.ingest.names import whole
from platen.components.ingest.refused import Refused
from platen.components.ingest.sources import Source, leaves
from platen.components.ingest.tables import COLUMNS

CAPTION_BYTES = 1 << 20  # of a .txt or .json beside a picture; no caption is near it, so a larger file is another thing


def with_caption(source: Source) -> Source:
    """The source with what `<stem>.txt` and `<stem>.json` beside it say, where no table says it.

    A file of more than CAPTION_BYTES there refuses the picture as body_too_large.
    """
    if source.path is None or source.root is None or source.refused:
        return source
    try:
        return _told(source, source.path, source.root)
    except Refused as refused:
        return replace(source, refused=(refused.reason, refused.detail))


def decode(data: bytes) -> str:
    """Text of unknown encoding: by its byte order mark, else UTF-8, else Windows-1252, which any bytes are."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _told(source: Source, path: Path, root: Path) -> Source:
    caption, licence = source.caption, source.licence
    if caption is None:
        text = _read(root, path.with_suffix(".txt"))
        caption = None if text is None else decode(text)
    if caption is None or licence is None:
        record = _object(_read(root, path.with_suffix(".json")))
        caption, licence = _first(caption, _text(record, "caption")), _first(licence, _text(record, "licence"))
    return replace(source, caption=caption, licence=licence)


def _read(root: Path, path: Path) -> bytes | None:
    """A file's bytes; None where there is none that can be read. Raises Refused for one that is too large."""
    try:
        if not path.is_file() or leaves(root, path):
            return None
        with path.open("rb") as file:
            data = file.read(CAPTION_BYTES + 1)
    except OSError:  # not permitted, or a name that no file can have: .json may be one byte too much
        return None
    if len(data) > CAPTION_BYTES:
        raise Refused("body_too_large", f"{path.name}: more than the {CAPTION_BYTES} bytes of a caption")
    return data


def _object(data: bytes | None) -> dict[str, Any]:
    """A JSON object; nothing where there is none, so that the picture counts as one without a caption."""
    try:
        value = json.loads(decode(data)) if data else None
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(record: dict[str, Any], field: str) -> str | None:
    return _first(*(whole(value) for name in COLUMNS[field] if isinstance(value := record.get(name), str)))


def _first(*values: str | None) -> str | None:
    return next((value for value in values if value is not None), None)
