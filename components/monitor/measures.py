"""What is measured of the traffic, and how it stands in the report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from platen.artifacts.monitoring import INSUFFICIENT, Prompts, TrafficCounts
from platen.components.monitor.drift import measure_drift, measure_unknown
from platen.components.monitor.estimates import Estimate, estimate_quantile, estimate_share
from platen.components.monitor.judge import Rule
from platen.components.monitor.settings import MonitorSettings
from platen.components.monitor.traffic import Traffic
from platen.core.words import words

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Measures:
    """All measures of a log; one that rests on too few requests is none.

    Attributes:
        latency: Quantiles, mean and largest, in seconds.
        latency_p95: The 95th percentile of it.
        error_share: Of the requests that say something of the server, 0 to 1.
        unknown_share: Of the words in distinct prompts, 0 to 1.
        drift: Of the distinct prompts from the training captions.
    """

    traffic: Traffic
    latency: dict[str, float] | None
    latency_p95: Estimate | None
    error_share: Estimate | None
    unknown_share: Estimate | None
    drift: Estimate | None

    def rules(self, settings: MonitorSettings) -> list[Rule]:
        """Each measure against its limit."""
        answered, prompts = len(self.traffic.latencies), len(self.traffic.distinct)
        return [
            Rule("error_share", self.error_share, settings.max_error_share, self.traffic.judged),
            Rule("latency_p95", self.latency_p95, settings.max_latency_p95, answered),
            Rule("unknown_share", self.unknown_share, settings.max_unknown_share, prompts),
            Rule("drift", self.drift, settings.max_drift, prompts),
        ]

    def counts(self) -> TrafficCounts:
        """Count the traffic for the report."""
        traffic = self.traffic
        return TrafficCounts(
            requests=traffic.requests,
            pictures=traffic.pictures,
            by_status={str(status): count for status, count in traffic.statuses.items()},
            unreadable_lines=traffic.unreadable,
            ignored=traffic.ignored,
            older=traffic.older,
            first=traffic.first.isoformat() if traffic.first else None,
            last=traffic.last.isoformat() if traffic.last else None,
        )

    def prompts(self) -> Prompts:
        """Count the prompts and their words for the report."""
        lengths = sorted(len(words(prompt)) for prompt in self.traffic.prompts)
        return Prompts(
            count=len(lengths),
            distinct=len(self.traffic.distinct),
            words_median=lengths[len(lengths) // 2] if lengths else INSUFFICIENT,
            words_max=lengths[-1] if lengths else INSUFFICIENT,
        )


def measure(settings: MonitorSettings, traffic: Traffic, captions: Counter[str]) -> Measures:
    """Measure what there is enough of: `min_requests` at least, for each measure by itself."""
    prompts, latencies, enough = traffic.distinct, traffic.latencies, settings.min_requests
    how = (settings.resamples, settings.confidence, settings.seed)
    answered, judged, asked = (n >= enough for n in (len(latencies), traffic.judged, len(prompts)))
    return Measures(
        traffic=traffic,
        latency=quantiles(latencies) if answered else None,
        latency_p95=estimate_quantile(latencies, QUANTILES["p95"], settings.confidence) if answered else None,
        error_share=estimate_share(traffic.failed, traffic.judged, settings.confidence) if judged else None,
        unknown_share=measure_unknown(prompts, captions, *how) if asked else None,
        drift=measure_drift(prompts, captions, *how) if asked else None,
    )


def quantiles(latencies: list[float]) -> dict[str, float]:
    """Quantiles of the latency in seconds, with the mean and the largest."""
    import numpy as np

    values = np.array(latencies)
    found = {name: round(float(np.quantile(values, level)), 4) for name, level in QUANTILES.items()}
    return {**found, "mean": round(float(values.mean()), 4), "max": round(float(values.max()), 4)}
