"""A row of docs/benchmarks.md, as a benchmark prints it: one line of JSON among whatever else it says."""

from __future__ import annotations

import json
import operator
from dataclasses import asdict, dataclass, field

COMPARE = {"<": operator.lt, "<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Table:
    """What a row says in more than one number."""

    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        row: What was measured.
        ratio: The figure; a ratio of two measurements of the same run wherever there is something to compare with. None
            where it could not be measured; `how` then says why.
        bar: What it has to be, as `>= 1.4`; empty where nothing is asked.
        parts: What the ratio was made of, by name with its unit.
        how: How it was measured, in a sentence or two.
        table: More of it.
    """

    row: str
    ratio: float | None
    bar: str
    parts: dict[str, float]
    how: str
    table: Table | None = field(default=None)

    @property
    def met(self) -> bool | None:
        """Whether the figure is what it has to be; None where nothing is asked or measured."""
        if not self.bar or self.ratio is None:
            return None
        sign, limit = self.bar.split()
        return bool(COMPARE[sign](self.ratio, float(limit)))

    def tell(self) -> None:
        """Print it for `bench/run.py`."""
        print(json.dumps(asdict(self)), flush=True)


def read_rows(output: str) -> list[Row]:
    """The rows among the lines that a benchmark printed."""
    found = [json.loads(line) for line in output.splitlines() if line.startswith('{"row"')]
    return [Row(**{**said, "table": said["table"] and Table(**said["table"])}) for said in found]
