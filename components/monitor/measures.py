"""What is measured of the traffic, and how it stands in the report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from platen.components.monitor.drift import Drift, measure_drift, unknown_share, words
from platen.components.monitor.judge import INSUFFICIENT, Rule
from platen.components.monitor.settings import MonitorSettings
from platen.components.monitor.traffic import Traffic

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Measures:
    """All measures of a log; one that rests on too few requests is none.

    Attributes:
        latency: Quantiles, mean and largest, in seconds.
        error_share: Of the requests that say something of the server, 0 to 1.
        unknown_share: Of the words in prompts, 0 to 1.
        drift: Of the prompts from the training captions.
    """

    traffic: Traffic
    latency: dict[str, float] | None
    error_share: float | None
    unknown_share: float | None
    drift: Drift | None

    def rules(self, settings: MonitorSettings) -> list[Rule]:
        """Each measure against its limit. Of the drift the lower end counts: it has to be certain."""
        answered, prompts = len(self.traffic.latencies), len(self.traffic.prompts)
        p95 = self.latency["p95"] if self.latency else None
        drift = Rule("drift", None, None, settings.max_drift, prompts)
        if self.drift is not None:
            low, high = self.drift.low, self.drift.high
            drift = Rule("drift", self.drift.distance, low, settings.max_drift, prompts, (low, high))
        return [
            Rule("error_share", self.error_share, self.error_share, settings.max_error_share, self.traffic.judged),
            Rule("latency_p95", p95, p95, settings.max_latency_p95, answered),
            Rule("unknown_share", self.unknown_share, self.unknown_share, settings.max_unknown_share, prompts),
            drift,
        ]

    def entry(self) -> dict[str, Any]:
        """As it stands in report.json, next to the rules."""
        lengths = sorted(len(words(prompt)) for prompt in self.traffic.prompts)
        return {
            "traffic": {
                "requests": self.traffic.requests,
                "pictures": self.traffic.pictures,
                "by_status": {str(status): count for status, count in sorted(self.traffic.statuses.items())},
                "unreadable_lines": self.traffic.unreadable,
            },
            "latency_seconds": self.latency or INSUFFICIENT,
            "prompts": {
                "count": len(lengths),
                "words_median": lengths[len(lengths) // 2] if lengths else INSUFFICIENT,
                "words_max": lengths[-1] if lengths else INSUFFICIENT,
            },
        }


def measure(settings: MonitorSettings, traffic: Traffic, captions: Counter[str]) -> Measures:
    """Measure what there is enough of: `min_requests` at least, for each measure by itself."""
    enough = len(traffic.prompts) >= settings.min_requests
    drift = None
    if enough:
        drift = measure_drift(traffic.prompts, captions, settings.resamples, settings.confidence, settings.seed)
    return Measures(
        traffic=traffic,
        latency=quantiles(traffic.latencies) if len(traffic.latencies) >= settings.min_requests else None,
        error_share=traffic.failed / traffic.judged if traffic.judged >= settings.min_requests else None,
        unknown_share=unknown_share(traffic.prompts, captions) if enough else None,
        drift=drift,
    )


def quantiles(latencies: list[float]) -> dict[str, float]:
    """Quantiles of the latency in seconds, with the mean and the largest."""
    import numpy as np

    values = np.array(latencies)
    found = {name: round(float(np.quantile(values, level)), 4) for name, level in QUANTILES.items()}
    return {**found, "mean": round(float(values.mean()), 4), "max": round(float(values.max()), 4)}
