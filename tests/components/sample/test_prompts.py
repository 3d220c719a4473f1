"""The prompt file of the sample world."""

from __future__ import annotations

from platen.components.sample.judge import wanted
from platen.components.sample.prompts import prompts
from platen.components.sample.world import COLOURS, COMBINATIONS


def test_grid_names_every_combination_twice() -> None:
    grid = [row for row in prompts() if row["group"] == "grid"]
    seen = [wanted(str(row["prompt"])) for row in grid]
    assert len(grid) == 48
    assert all(
        sum((want.colour, want.shape, want.background) == (c.colour, c.shape, c.background) for want in seen) == 2
        for c in COMBINATIONS
    )


def test_neutral_prompts_leave_the_colour_open() -> None:
    neutral = [str(row["prompt"]) for row in prompts() if row["group"] == "neutral"]
    assert len(neutral) == 48
    assert not any(colour in prompt for prompt in neutral for colour in COLOURS)
    assert len(set(neutral)) == 6


def test_every_row_has_its_own_seed() -> None:
    seeds = [row["seed"] for row in prompts()]
    assert len(set(seeds)) == len(seeds)
