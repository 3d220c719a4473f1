"""Reading tables of pictures: CSV, JSON lines and Parquet, row by row."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platen.components.ingest.names import whole
from platen.core.errors import InputError

# Names of each column, the first that is there counts; file_name and text are those of Hugging Face's imagefolder.
COLUMNS = {
    "path": ("path", "file_name"),
    "url": ("url", "image_url"),
    "caption": ("caption", "text"),
    "licence": ("licence", "license"),
}
ACCEPTED = ".csv, .jsonl or .parquet with the columns path or url, caption and, if known, licence"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row; None where it says nothing. In a CSV an empty cell says nothing."""

    where: str
    path: str | None = None
    url: str | None = None
    caption: str | None = None
    licence: str | None = None


def read_entries(path: Path) -> Iterator[Entry]:
    """The rows of a table.

    Raises:
        InputError: Names the file and the row: not such a table, a row that names no picture, a cell that is no text.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: not a readable table. Accepted: {ACCEPTED}")
    if not path.is_file():
        raise InputError(f"{path}: no such table. Accepted: {ACCEPTED}")
    try:
        for where, cells in reader(path):
            yield entry_of(f"{path}, {where}", cells)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text ({error.reason} at byte {error.start}). Accepted: {ACCEPTED}"
        ) from None


def entry_of(where: str, cells: Mapping[str, Any]) -> Entry:
    """A row from its cells by column name. Raises InputError for a cell that is no text, or no path and no URL."""
    named = {name.strip().lower(): value for name, value in cells.items()}
    found = {field: next((named[name] for name in names if named.get(name) is not None), None)
             for field, names in COLUMNS.items()}  # fmt: skip
    for field, value in found.items():
        if value is not None and not isinstance(value, str):
            raise InputError(f"{where}: {field} is {value!r}, not text")
    if not found["path"] and not found["url"]:
        raise InputError(f"{where}: names no image; its columns are {', '.join(named) or 'none'}. Accepted: {ACCEPTED}")
    caption, licence = (text and whole(text) for text in (found["caption"], found["licence"]))
    return Entry(where, found["path"], found["url"], caption, licence)


def _read_csv(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            for cells in reader:
                where = f"line {reader.line_num}"
                if None in cells:
                    raise InputError(f"{path}, {where}: more cells than the {len(reader.fieldnames or ())} columns")
                yield where, {name: value or None for name, value in cells.items()}
        except csv.Error as error:
            raise InputError(f"{path}, line {reader.line_num}: not CSV: {error}") from None


def _read_jsonl(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"line {number}", _object(f"{path}, line {number}", line)


def _object(where: str, line: str) -> Mapping[str, Any]:
    try:
        cells = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON: {error}") from None
    if not isinstance(cells, dict):
        raise InputError(f"{where}: a {type(cells).__name__}. Accepted: an object with path or url, caption, licence")
    return cells


def _read_parquet(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    known = {name for names in COLUMNS.values() for name in names}
    try:
        table = pq.ParquetFile(path)
        columns = [name for name in table.schema_arrow.names if name.strip().lower() in known]
        rows: Iterable[Mapping[str, Any]] = (
            row for batch in table.iter_batches(columns=columns) for row in batch.to_pylist()
        )
        for number, row in enumerate(rows, start=1):
            yield f"row {number}", row
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a complete Parquet file: {error}") from None


Reader = Callable[[Path], Iterator[tuple[str, Mapping[str, Any]]]]
READERS: Mapping[str, Reader] = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
