"""What can be set of monitor."""

from __future__ import annotations

from pydantic import Field

from platen.artifacts.releases import SMOKE_USER
from platen.core.settings import Settings


class MonitorSettings(Settings):
    """Section `monitor` of the settings file.

    A measure beyond its limit, with the lower end of its interval, asks for retraining.
    """

    min_requests: int = Field(
        30,
        ge=2,
        description="Requests below which a measure is not taken: it says insufficient data, and asks nothing; "
        "for max_drift and max_unknown_share distinct prompts",
    )
    window_days: float | None = Field(
        28.0,
        gt=0,
        le=36_500,
        description="Days before the newest request of which requests count; four weeks have each day of the week "
        "equally often; null: all there ever were",
    )
    ignore_users: tuple[str, ...] = Field(
        (SMOKE_USER,), description="Users whose requests do not count; by default deploy's smoke test"
    )
    max_error_share: float = Field(
        0.05, ge=0, le=1, description="Largest share (0 to 1) of requests that the server failed (status 500 and above)"
    )
    max_latency_p95: float = Field(30.0, gt=0, description="Largest 95th percentile of the latency, in seconds")
    max_drift: float = Field(
        0.4,
        ge=0,
        le=1,
        description="Largest distance (0 to 1) of prompts from captions",
    )
    max_unknown_share: float = Field(
        0.2, ge=0, le=1, description="Largest share (0 to 1) of words in prompts that no training caption has"
    )
    resamples: int = Field(
        400, ge=100, le=100_000, description="Bootstrap samples for the intervals of drift and unknown share"
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of every interval, 0.5 to 1")
    seed: int = Field(0, ge=0, description="Seed of the bootstrap")
