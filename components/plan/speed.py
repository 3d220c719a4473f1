"""Seconds of an optimizer step: computing, what of communication it does not hide, offloading, reading."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from platen.components.plan.memory import MASTER, Layout
from platen.components.plan.prices import Gpu, Offer
from platen.components.plan.profile import ModelFacts
from platen.components.plan.settings import PlanSettings

GIGA = 1e9
# Of what stage 3 sends between nodes is left with hpZ and qgZ: M + 0 + M/4 for 3 M (DeepSpeed's ZeRO++ blog).
QUANTIZED = 1.25 / 3
# Bytes that an update of a number moves in the host's memory: AdamW reads 4, writes 3; the average reads 2, writes 1.
UPDATE_BYTES = 10 * MASTER


@dataclass(frozen=True)
class Step:
    """Seconds of a step by part, and the share of the GPUs' highest rate that the model itself gets (MFU).

    `reading` is what is left of it when all else is done: train has the next batch read while it computes.
    """

    compute: float
    communication: float
    hidden: float
    offload: float
    reading: float
    mfu: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.compute + self.communication - self.hidden + self.offload + self.reading

    def parts(self) -> dict[str, float]:
        """By name."""
        return {**asdict(self), "seconds": self.seconds}


def step(model: ModelFacts, layout: Layout, gpu: Gpu, offer: Offer, rounds: int, settings: PlanSettings) -> Step:
    """A step of `rounds` micro-batches a rank."""
    rate = gpu.tflops[settings.precision] * 1e12
    samples = layout.micro_batch * rounds
    compute = samples * model.activations(checkpointing=layout.checkpointing).flops / (rate * settings.achieved)
    communication = _exchange(volume(model, layout, rounds), layout, gpu, offer) / settings.link_achieved
    hidden = min(communication, settings.overlap * compute)
    offload = _offload(model, layout, gpu, offer, rounds, settings)
    node = min(offer.gpus, layout.ranks)
    busy = compute + communication - hidden + offload
    reading = max(0.0, samples * node * model.sample_bytes / (settings.read_gb_s * GIGA) - busy)
    whole = busy + reading
    return Step(compute, communication, hidden, offload, reading, samples * model.plain.flops / (rate * whole))


def volume(model: ModelFacts, layout: Layout, rounds: int) -> int:
    """Bytes that a rank sends in a step: gradients and weights once, up to stage 1; more often above.

    Stage 2 reduces gradients after each micro-batch; stage 3 also gathers weights twice, for forward and backward.
    """
    size = layout.width * model.parameters
    if layout.ranks == 1:
        return 0
    return size * {0: 2, 1: 2, 2: rounds + 1, 3: 3 * rounds}[layout.stage]


def _exchange(sent: int, layout: Layout, gpu: Gpu, offer: Offer) -> float:
    """Seconds at the links' full rate: rings run through the node's GPUs and share what leads out of it."""
    share = sent * (layout.ranks - 1) / layout.ranks
    inside = share / (gpu.link_gb_s * GIGA) if offer.gpus > 1 else 0.0
    if not offer.node_gb_s or layout.ranks <= offer.gpus:
        return inside
    return max(inside, share * (QUANTIZED if layout.secondary else 1) / (offer.node_gb_s * GIGA))


def _offload(model: ModelFacts, layout: Layout, gpu: Gpu, offer: Offer, rounds: int, settings: PlanSettings) -> float:
    """Gradients to the host, an update there, weights back; offloaded weights come for each pass too.

    Above stage 1 what was accumulated comes to the device and goes back at every micro-batch after the first.
    """
    if layout.offload == "none":
        return 0.0
    share = model.parameters / layout.ranks
    gradients = 2 * rounds - 1 if layout.stage > 1 else 1
    passes = 2 * rounds if layout.offload == "all" else 0
    moved = (gradients + 1 + passes) * layout.width * share
    update = UPDATE_BYTES * share * min(offer.gpus, layout.ranks) / (settings.host_memory_gb_s * GIGA)
    return moved / (gpu.host_gb_s * GIGA) + update
