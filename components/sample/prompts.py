"""The prompts that a model of the sample world is asked to draw."""

from __future__ import annotations

from platen.components.sample.world import BACKGROUNDS, COMBINATIONS, SHAPES

GRID_SEEDS = 2  # pictures of each combination
NEUTRAL_SEEDS = 8  # pictures of each prompt that leaves the colour open


def prompts() -> list[dict[str, str | int]]:
    """Rows of the prompt file: group "grid" names everything, group "neutral" leaves the colour open."""
    grid = [f"a {shows.colour} {shows.shape} on a {shows.background} background" for shows in COMBINATIONS]
    neutral = [f"a {shape} on a {background} background" for shape in SHAPES for background in BACKGROUNDS]
    asked = [("grid", text) for text in grid for _ in range(GRID_SEEDS)]
    asked += [("neutral", text) for text in neutral for _ in range(NEUTRAL_SEEDS)]
    return [{"prompt": text, "seed": seed, "group": group} for seed, (group, text) in enumerate(asked)]
