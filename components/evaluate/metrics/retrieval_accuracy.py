"""How often the prompt of a generated image fits it better than all other prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from platen.components.evaluate.context import Context
from platen.components.evaluate.estimates import Estimate, insufficient, share
from platen.components.evaluate.metrics.base import Measurement, MetricSpec, NoSettings, Quantity

if TYPE_CHECKING:
    from platen.components.evaluate.alignment import Match
    from platen.components.evaluate.settings import EvaluateSettings


def measure(context: Context, settings: NoSettings) -> Measurement:
    """Measure the share of images whose own prompt fits best; the neutral group is left out."""
    from platen.components.evaluate.alignment import match_generated

    matches = match_generated(context)
    candidates = len({context.prompts[number] for number in matches})
    return Measurement(measure_retrieval(list(matches.values()), candidates, context.settings))


def measure_retrieval(matches: Sequence[Match], candidates: int, settings: EvaluateSettings) -> Estimate:
    """Estimate the share of images whose own prompt fits best, of so many distinct prompts."""
    if candidates < 2:
        return insufficient(candidates, 2, f"prompts outside the group {settings.neutral_group}")
    hits = sum(match.retrieved for match in matches)
    note = f"among {candidates} prompts; chance is {1 / candidates:.3g}; group {settings.neutral_group} left out"
    return share(hits, len(matches), settings.confidence, settings.min_samples, note)


METRIC = MetricSpec(
    name="retrieval_accuracy",
    quantity=Quantity("Prompt told from the others", "share", "higher"),
    needs=frozenset({"judge", "generated"}),
    measure=measure,
)
