"""What can be set of evaluate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, create_model

from platen.components.evaluate.metrics.base import NoSettings
from platen.components.evaluate.metrics.registry import METRICS
from platen.core.settings import Settings

if TYPE_CHECKING:
    MetricSettings = Settings
else:
    MetricSettings = create_model(
        "MetricSettings",
        __base__=Settings,
        __doc__="Section `evaluate.metrics`: what can be set of each metric that has settings.",
        **{
            metric.name: (metric.settings, Field(metric.settings(), description=metric.quantity.title))
            for metric in METRICS
            if metric.settings is not NoSettings
        },
    )


class EvaluateSettings(Settings):
    """Section `evaluate` of the settings file."""

    extractor: str = Field(
        "clip",
        min_length=1,
        description="What FID, KID and memorisation see with: clip (the model's own clip/), inception, "
        "or a folder or hub id of a CLIP or DINOv2 model",
    )
    max_training: int = Field(2000, ge=1, description="Training pictures to compare with at most")
    max_held_out: int = Field(500, ge=1, description="Validation and test pictures to use at most")
    min_samples: int = Field(20, ge=2, description="Pictures below which a measure says insufficient data, no number")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of every interval, 0.5 to 1")
    neutral_group: str = Field("neutral", description="Group of the prompts that leave attributes open")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of the noise, the choice of pictures and the resamples")
    batch_size: int = Field(32, ge=1, le=4096, description="Pictures at once; changes the last bits of a number")
    threads: int = Field(2, ge=1, le=256, description="Processor threads; changes the last bits of a number")
    metrics: MetricSettings = Field(MetricSettings(), description="settings of single metrics")

    def of_metric(self, name: str) -> Settings:
        """Return the settings of one metric."""
        own: Settings = getattr(self.metrics, name, NoSettings())
        return own
