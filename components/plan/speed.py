"""Seconds of an optimizer step: computing, what of communication it does not hide, offloading, reading."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from platen.components.plan.memory import MASTER, Layout
from platen.components.plan.prices import Gpu, Offer
from platen.components.plan.profile import ModelFacts
from platen.components.plan.settings import PlanSettings

GIGA = 1e9
QUANTIZED = 0.25  # of what stage 3 sends between nodes is left with ZeRO++: 0.75 M for 3 M (DeepSpeed's ZeRO++ blog)
ADAM_BYTES = 7 * MASTER  # that an update of a number moves in the host's memory: 3 read, 3 written, the gradient


@dataclass(frozen=True)
class Step:
    """Seconds of a step by part, and the share of the GPUs' highest rate that the model itself gets (MFU)."""

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
    reading = samples * node * model.sample_bytes / (settings.read_gb_s * GIGA)
    whole = compute + communication - hidden + offload + reading
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
    """Gradients to the host, an update there, weights back; offloaded weights come for each pass too."""
    if layout.offload == "none":
        return 0.0
    share = model.parameters / layout.ranks
    moved = 2 * layout.width * share
    if layout.offload == "all":
        moved += 2 * rounds * layout.width * share
    update = ADAM_BYTES * share * min(offer.gpus, layout.ranks) / (settings.host_memory_gb_s * GIGA)
    return moved / (gpu.host_gb_s * GIGA) + update
