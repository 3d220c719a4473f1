"""Settings of what is measured. None of them changes the model."""

from __future__ import annotations

from pydantic import Field

from platen.core.settings import Settings

POD_METRICS_PORT = 9464  # in the pods of a PyTorchJob, unless set otherwise


class TraceSettings(Settings):
    """A Chrome trace of some steps."""

    first_step: int = Field(
        10, ge=0, description="step from which on is traced, 0 or more; the first ones are not typical"
    )
    steps: int = Field(3, ge=1, description="steps in a row that are traced, 1 or more")
    ranks: tuple[int, ...] = Field((0,), description="ranks that are traced, a file each")


class MeasureSettings(Settings):
    """What is told of a running training, and where."""

    port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port where rank 0 serves Prometheus' metrics; null: 9464 in a PyTorchJob, else none; 0: none",
    )
    tensorboard: bool = Field(True, description="write TensorBoard's event files to <workspace>/measured")
    trace: TraceSettings | None = Field(
        None, description="write a Chrome trace to <workspace>/measured; null: only when SIGUSR1 asks for one"
    )
    usd_per_gpu_hour: float | None = Field(
        None, gt=0, description="price of a rank (a GPU) an hour, in USD, for the cost; null: no cost is told"
    )
    peak_tflops: float | None = Field(
        None,
        gt=0,
        description="highest rate of a device, in TFLOP/s, for MFU; null: known GPUs by name, a CPU by trying",
    )
    straggler_share: float = Field(
        0.2, gt=0, description="a rank is slow that works longer than the median by this share of a step, above 0"
    )
    straggler_windows: int = Field(
        3, ge=1, description="times in a row (of log_every steps) that a rank must be slow to be named, 1 or more"
    )
    probe_links_mib: int = Field(
        0, ge=0, description="MiB that each two ranks exchange before the first step to find slow links; 0: none"
    )
