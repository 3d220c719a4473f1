"""The evaluation of a model, `report.json` of evaluate: every number with its interval and what it was measured on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainSerializer

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
        note: What to know when reading it.
    """

    value: Measured | None
    low: Measured | None
    high: Measured | None
    n: int
    unit: str
    direction: Direction
    note: str = ""


class TimestepLoss(Part):
    """The held-out loss at one noise level, which its timestep names."""

    timestep: int
    value: float


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


class Memorization(Part):
    """How much of the training data is generated again.

    Attributes:
        share: Of copies among generated images.
        baseline: The same among held-out images, which cannot be memorized.
        threshold: Two images closer than this count as copies; None where there are too few data.
        closest: The closest pairs, the closest one first.
    """

    share: Metric
    baseline: Metric
    threshold: float | None
    closest: list[ClosestPair]


class ValueShare(Part):
    """How often one value of an attribute came out, and the share that it should have."""

    value: str
    count: int
    reference: float
    share: Metric


class Bias(Part):
    """One attribute that prompts leave open.

    Attributes:
        prompts: What was asked for.
        distance: Of the shares that came out from their references.
        abstained: How often the judge saw none of the values.
        judge_accuracy: How often the judge is right on held-out images.
        values: What the attribute can be.
    """

    prompts: list[str]
    distance: Metric
    abstained: Metric
    judge_accuracy: Metric
    values: list[ValueShare]


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
        bias: By attribute.
        pictures: Every generated image.
        measured_with: For each metric, or group of metrics, what its value depends on beside how good the model is:
            numbers of two reports can be compared only where it is the same. Empty in reports from before it was
            recorded.
    """

    FILE: ClassVar[str] = "report.json"

    schema_version: Literal[1] = 1
    model: str
    dataset: str
    generated: str
    extractor: str
    confidence: float
    counts: dict[str, int]
    held_out_loss: Metric
    held_out_loss_by_timestep: list[TimestepLoss]
    fid: Metric
    kid: Metric
    clip_score: Metric
    clip_score_real: Metric
    retrieval_accuracy: Metric
    memorised: Memorization
    bias: dict[str, Bias]
    pictures: list[JudgedImage]
    measured_with: dict[str, dict[str, Json]] = Field(default_factory=dict)

    def metrics(self) -> dict[str, Metric]:
        """Name every metric by its dotted path, as the rules of gate do: `bias.color.distance`."""
        return dict(self._metrics())

    def _metrics(self) -> Iterator[tuple[str, Metric]]:
        yield from _named(self)
        yield from _named(self.memorised, "memorised.")
        for attribute, bias in self.bias.items():
            yield from _named(bias, f"bias.{attribute}.")
            yield from ((f"bias.{attribute}.values.{each.value}.share", each.share) for each in bias.values)


def _named(part: Part, above: str = "") -> Iterator[tuple[str, Metric]]:
    return ((f"{above}{name}", value) for name, value in part if isinstance(value, Metric))
