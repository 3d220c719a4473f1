"""What the server measures of itself, for Prometheus: base units, counters that end in `_total`."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120, 300)
STEP_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Metrics:
    """The measures of one server, in a registry of their own. `digest` is None where it has no model."""

    def __init__(self, model: str, digest: str | None) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "platen_requests",
            "Requests for pictures that were answered, by HTTP status.",
            ["status"],
            registry=registry,
        )
        self.latency = Histogram(
            "platen_request_duration_seconds",
            "From the arrival of a request to its answer, successful ones only.",
            buckets=SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "platen_requests_in_flight", "Requests for pictures that are not answered yet.", registry=registry
        )
        self.queued = Gauge("platen_queued_pictures", "Pictures that wait for the model.", registry=registry)
        self.oldest_wait = Gauge(
            "platen_queue_oldest_wait_seconds", "How long the oldest of them has waited.", registry=registry
        )
        self.ready = Gauge("platen_ready", "1 while requests for pictures are taken, else 0.", registry=registry)
        self.pictures = Counter("platen_pictures", "Pictures that were made.", registry=registry)
        self.step = Histogram(
            "platen_step_duration_seconds", "One denoising step.", buckets=STEP_SECONDS, registry=registry
        )
        self.batch = Histogram(
            "platen_batch_size_pictures", "Pictures made at once.", buckets=(1, 2, 4, 8, 16, 32), registry=registry
        )
        info = Gauge("platen_model_info", "The model that is served; always 1.", ["model", "digest"], registry=registry)
        if digest:
            info.labels(model=model, digest=digest).set(1)

    def watch_queue(self, queued: Callable[[], int], oldest_wait: Callable[[], float]) -> None:
        """Take the state of the queue from these whenever the metrics are read."""
        self.queued.set_function(queued)
        self.oldest_wait.set_function(oldest_wait)

    def watch_ready(self, ready: Callable[[], bool]) -> None:
        """Take whether requests are taken from this whenever the metrics are read; 0 until then."""
        self.ready.set_function(ready)

    def answered(self, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self.requests.labels(status=str(status)).inc()
        if status == 200:
            self.latency.observe(seconds)

    def text(self) -> bytes:
        """All measures in Prometheus' text form."""
        return generate_latest(self.registry)
