"""The figures of a finished demo run, each beside what it is held to.

    python bench/demo_figures.py runs/demo

Exit code 1 where one is missed, the time aside: that depends on what else the machine does. Pictures are judged by
their pixels (components/sample/judge.py), not by a model.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from platen.components.sample.judge import judge_folder

TIME = "the chain alone"


def main(run: Path) -> int:
    """Print the rows; how many were missed."""
    told = json.loads((run / "summary.json").read_bytes())
    rows = [*chain_rows(told), *data_rows(told), *zero_rows(told), *picture_rows(told)]
    for name, figure, wanted, kept in rows:
        print(f"{'ok    ' if kept else 'MISSED'} {name:44} {figure:>28}   wanted: {wanted}")
    return sum(not kept for name, _, _, kept in rows if name != TIME)


Row = tuple[str, str, str, bool]


def chain_rows(told: dict) -> list[Row]:  # type: ignore[type-arg]
    """How long it took; only a run that made everything counts."""
    seconds = told["seconds"]
    found = sum(stage["cached"] for stage in told["stages"])
    return [
        (TIME, f"{seconds:.0f} s, {found} stages cached", "at most 360 s", found > 0 or seconds <= 360),
        ("outcome", str(told["outcome"]), "succeeded", told["outcome"] == "succeeded"),
    ]


def data_rows(told: dict) -> list[Row]:  # type: ignore[type-arg]
    """What was planted and what was found."""
    planted, dropped = told["planted"], told["dropped"]
    return [
        (
            "dropped, reason by reason",
            f"{sum(dropped.values())} in {len(dropped)} reasons",
            "as planted",
            planted == dropped,
        ),
        (
            "repaired, kind by kind",
            str(sum(told["repaired"].values())),
            "as planted",
            told["repaired"] == told["planted_repairs"],
        ),
    ]


def zero_rows(told: dict) -> list[Row]:  # type: ignore[type-arg]
    """What each rank held of the model."""
    zero = told["zero"]
    shares = [held / zero["parameters"] for held in zero["parameters_per_rank"]]
    even = all(abs(share * len(shares) - 1) < 0.02 for share in shares)
    return [
        ("share of the parameters a rank holds", ", ".join(f"{share:.3f}" for share in shares), "about 1/ranks", even)
    ]


def picture_rows(told: dict) -> list[Row]:  # type: ignore[type-arg]
    """Whether pictures show what their prompts say."""
    seen = judge_folder(Path(told["generated"]["folder"]))
    return [
        ("pictures judged", str(seen.pictures), "48", seen.pictures >= 48),
        ("colour and shape right", f"{seen.right:.1%}", "at least 80 %", seen.right >= 0.8),
        ("colour, shape and background right", f"{seen.everything:.1%}", "reported only", True),
    ]


if __name__ == "__main__":
    sys.exit(1 if main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo")) else 0)
