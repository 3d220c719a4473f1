"""The evaluation of a model, `report.json` of evaluate: every number with its interval and what it was measured on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainSerializer, model_validator

from platen.artifacts.json_file import JsonFile, Part
from platen.core.manifest import Json

Direction = Literal["higher", "lower", "none"]


def tidy(number: float) -> float:
    """Round to six significant digits: what lies behind them is rounding error, which differs between machines."""
    return float(f"{number:.6g}")


Measured = Annotated[float, PlainSerializer(tidy, return_type=float)]  # written with six significant digits


class Metric(Part):
    """One measured number.

    Attributes:
        value: The number; None where there are too few data.
        low, high: Ends of its interval; None where there is no number.
        n: On how many images it was measured.
        unit: What it is counted in.
        direction: Which way is better.
        title: What a reader calls it; empty in reports that were written before they had titles.
        note: What to know when reading it.
    """

    value: Measured | None
    low: Measured | None
    high: Measured | None
    n: int
    unit: str
    direction: Direction
    title: str = ""
    note: str = ""


class Point(Part):
    """One point of a curve: its place, and the value there."""

    place: float
    value: Measured


class Curve(Part):
    """How a metric depends on something else.

    Attributes:
        title: What the curve shows.
        across: What it is drawn over.
        points: From left to right.
    """

    title: str
    across: str
    points: list[Point]


class ClosestPair(Part):
    """A generated image and the training image that is closest to it.

    Attributes:
        generated, training: Copies of the two, relative to the folder of the report.
        file: Of the generated image, relative to the folder that it comes from.
        key: Of the training sample.
        prompt, caption: Of the two.
        distance: Between them, as the extractor sees it.
        memorised: Whether they count as copies.
    """

    generated: str
    training: str
    file: str
    key: str
    prompt: str
    caption: str
    distance: float
    memorised: bool


class ShareOfValue(Part):
    """How often one value of a property came out, and the share that it should have."""

    value: str
    count: int
    reference: float


class Breakdown(Part):
    """A property of images, value by value. The metric of a value's share is called `NAME.values.VALUE.share`.

    Attributes:
        title: What the property is.
        prompts: What was asked for.
        values: What the property can be.
    """

    title: str
    prompts: list[str]
    values: list[ShareOfValue]


class JudgedImage(Part):
    """A generated image and how well it fits its prompt.

    Attributes:
        file, prompt, seed, group: As in the index of generated images.
        clip_score: Of the image and its prompt.
        best_prompt: The prompt that fits it best; None where its group is not judged.
        retrieved: Whether that is its own one.
    """

    file: str
    prompt: str
    seed: int
    group: str
    clip_score: float
    best_prompt: str | None
    retrieved: bool | None


class EvaluationReport(JsonFile):
    """The whole report.

    Attributes:
        model, dataset, generated: Digests of what was evaluated.
        extractor: What the features of images come from.
        confidence: Of every interval.
        counts: How many images of each kind were looked at.
        metrics: Every number by its dotted name, as the rules of gate know it: `fid`, `bias.color.distance`.
        curves: Of metrics, by name.
        breakdowns: By the name that the metrics of one begin with: `bias.color`.
        closest: Generated images with the training images closest to them, the closest pair first.
        pictures: Every generated image.
        measured_with: For each metric, by the first word of its name, what its value depends on beside how good the
            model is: numbers of two reports can be compared only where it is the same. Empty in reports from before
            it was recorded.
    """

    FILE: ClassVar[str] = "report.json"

    schema_version: Literal[2] = 2
    model: str
    dataset: str
    generated: str
    extractor: str
    confidence: float
    counts: dict[str, int]
    metrics: dict[str, Metric]
    curves: dict[str, Curve] = Field(default_factory=dict)
    breakdowns: dict[str, Breakdown] = Field(default_factory=dict)
    closest: list[ClosestPair] = Field(default_factory=list)
    pictures: list[JudgedImage]
    measured_with: dict[str, dict[str, Json]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _read_version_1(cls, values: Json) -> Json:
        """Read the numbers of a report of version 1, which a champion may have; its curves and tables are left out."""
        if not isinstance(values, dict) or values.get("schema_version") != 1:
            return values
        metrics = {name: metric for name, metric in _metrics_below(values) if name}
        return {**values, "schema_version": 2, "metrics": metrics}


def _metrics_below(entry: Json, name: str = "") -> Iterator[tuple[str, Json]]:
    """Yield what looks like a metric at any depth, by dotted name; one of a list's entries is named by its `value`."""
    if isinstance(entry, dict) and "direction" in entry:
        yield name, entry
    elif isinstance(entry, dict):
        for key, inner in entry.items():
            yield from _metrics_below(inner, f"{name}.{key}" if name else key)
    elif isinstance(entry, list):
        for inner in entry:
            if isinstance(inner, dict) and isinstance(inner.get("value"), str):
                yield from _metrics_below(inner, f"{name}.{inner['value']}")
