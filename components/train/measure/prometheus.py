"""What a training says of itself to Prometheus: base units, counters that end in `_total`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, start_http_server

from platen.components.train.measure.clock import Window
from platen.components.train.measure.training_status import TrainingStatus
from platen.core.telemetry import log


class Metrics:
    """The measures of one training, in a registry of their own; rank 0 keeps them for all ranks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.steps = self._counter("steps", "Steps that this process has trained.")
        self.samples = self._counter("samples", "Samples that they took, over all ranks.")
        self.seconds = self._counter(
            "spent_seconds", "Seconds of this process's steps by part: a rank's, in the mean of all ranks.", "part"
        )
        self.step = self._gauge("step", "Steps that the model has had, those of earlier attempts included.")
        self.planned = self._gauge("planned_steps", "Steps after which training ends.")
        self.attempt = self._gauge("attempt", "Which attempt at the training this is, from 1.")
        self.loss = self._gauge("loss", "Loss of the last step that was told, the mean over all ranks.")
        self.rate = self._gauge("samples_per_second", "Samples a second over all ranks, checkpoints left out.")
        self.mfu = self._gauge(
            "mfu_ratio",
            "Products of a forward pass, times three, against the peak of the devices (arXiv 2204.02311): a GPU's as "
            "its maker says, a CPU's as one core group reached in a product of matrices. Absent where it is not known.",
        )
        self.goodput = self._gauge(
            "goodput_ratio", "Seconds of steps that count, against all since the first attempt's start."
        )
        self.wall = self._gauge(
            "wall_seconds", "Seconds since the first attempt's start, by what they went into.", "kind"
        )
        self.left = self._gauge("remaining_seconds", "Seconds to the last step at the present pace.")
        self.memory = self._gauge("memory_bytes", "Bytes of tensors of the rank that holds most, by part.", "part")
        self.cost = self._gauge("cost_usd", "Price of all ranks while they ran, in USD.")
        self.cost_left = self._gauge("remaining_cost_usd", "Price of the steps that are left, in USD.")
        self.straggler = self._gauge("straggler", "1 for a rank that others wait for.", "rank", "node", "part")
        self.slow_link = self._gauge("slow_link_bytes_per_second", "Rate of a slow link, as probed.", "one", "other")

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(f"platen_train_{name}", says, labels, registry=self.registry)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(f"platen_train_{name}", says, labels, registry=self.registry)

    def serve(self, port: int) -> None:
        """Answer at /metrics from a thread; that the port is taken is no reason not to train."""
        try:
            start_http_server(port, registry=self.registry)
        except OSError as error:
            log.warning("train: no metrics at port %d: %s", port, error.strerror)
        else:
            log.info("train: metrics at port %d", port)

    def begin(self, attempt: int, planned: int) -> None:
        """An attempt begins."""
        self.attempt.set(attempt)
        self.planned.set(planned)

    def stepped(self, samples: int) -> None:
        """A step begins, so that the one before is over."""
        self.steps.inc()
        self.samples.inc(samples)

    def tell(self, mean: Window, status: TrainingStatus) -> None:
        """Take over what a window says."""
        for part, seconds in mean.parts().items():
            self.seconds.labels(part=part).inc(seconds)
        self.step.set(status.step)
        self.loss.set(status.loss)
        self.rate.set(status.samples_per_second)
        self.goodput.set(status.spent.goodput)
        for kind, seconds in status.spent.model_dump(exclude={"wall"}).items():
            self.wall.labels(kind=kind).set(seconds)
        self.left.set(status.seconds_left)
        for part, size in status.memory.items():
            self.memory.labels(part=part).set(size)
        self._tell_what_may_be_absent(status)

    def _tell_what_may_be_absent(self, status: TrainingStatus) -> None:
        if status.mfu is not None:
            self.mfu.set(status.mfu)
        if status.cost is not None:
            self.cost.set(status.cost.so_far)
            self.cost_left.set(status.cost.to_the_end)
        self.straggler.clear()
        if status.straggler is not None:
            self.straggler.labels(**status.straggler.labels()).set(1)
