"""What can be set of monitor."""

from __future__ import annotations

from pydantic import Field

from platen.settings import Settings


class MonitorSettings(Settings):
    """Section `monitor` of the settings file. A measure beyond its limit asks for retraining."""

    min_requests: int = Field(
        30, ge=2, description="Requests below which a measure is not taken: it says insufficient data, and asks nothing"
    )
    max_error_share: float = Field(
        0.05, ge=0, le=1, description="Largest share (0 to 1) of requests that the server failed (status 500 and above)"
    )
    max_latency_p95: float = Field(30.0, gt=0, description="Largest 95th percentile of the latency, in seconds")
    max_drift: float = Field(
        0.4,
        ge=0,
        le=1,
        description="Largest distance (0 to 1) of prompts from captions; the interval's lower end must exceed it",
    )
    max_unknown_share: float = Field(
        0.2, ge=0, le=1, description="Largest share (0 to 1) of words in prompts that no training caption has"
    )
    resamples: int = Field(400, ge=100, le=100_000, description="Bootstrap samples for the interval of the drift")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of that interval")
    seed: int = Field(0, ge=0, description="Seed of the bootstrap")
