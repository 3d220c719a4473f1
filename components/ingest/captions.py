"""Captions and licences that lie beside a picture."""

from __future__ import annotations

import codecs
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from platen.components.ingest.sources import Source, leaves
from platen.components.ingest.tables import COLUMNS


def with_caption(source: Source) -> Source:
    """The source with what `<stem>.txt` and `<stem>.json` beside it say, where no table says it."""
    if source.path is None or source.root is None or source.refused:
        return source
    text = _read(source.root, source.path.with_suffix(".txt"))
    record = _object(_read(source.root, source.path.with_suffix(".json")))
    caption = (source.caption, None if text is None else decode(text), _text(record, "caption"))
    licence = (source.licence, _text(record, "licence"))
    return replace(source, caption=_first(*caption), licence=_first(*licence))


def decode(data: bytes) -> str:
    """Text of unknown encoding: by its byte order mark, else UTF-8, else Windows-1252, which any bytes are."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _read(root: Path, path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() and not leaves(root, path) else None


def _object(data: bytes | None) -> dict[str, Any]:
    """A JSON object; nothing where there is none, so that the picture counts as one without a caption."""
    try:
        value = json.loads(decode(data)) if data else None
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(record: dict[str, Any], field: str) -> str | None:
    return _first(*(value for name in COLUMNS[field] if isinstance(value := record.get(name), str)))


def _first(*values: str | None) -> str | None:
    return next((value for value in values if value is not None), None)
