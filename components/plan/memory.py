"""Bytes that live on a rank, part by part, as DeepSpeed 0.19 and the training loop allocate them.

The highest moment is one of three: when the forward pass ends (all activations), when the last gradients are
exchanged, or in the optimizer's step. What lives at all three is counted once, of the rest the highest.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from platen.components.plan.profile import BYTES, ModelFacts

MASTER = 4  # bytes of fp32, in which weights are kept, averaged and updated
REUSE = 1_000_000_000  # stage3_max_reuse_distance: whoever is needed again sooner stays gathered
PREFETCH = 10_000_000  # stage3_prefetch_bucket_size, as train sets it
SUB_GROUP = 1_000_000_000  # sub_group_size: stage 3 updates so many numbers at a time
BUCKET = 50_000_000  # reduce_bucket_size, as train sets it
ON_HOST = ("host", "saving")  # parts of a rank's memory that are not on its device
WHOLE_BUCKET = 500_000_000  # what is exchanged at once where nothing is split: DeepSpeed's own


@dataclass(frozen=True)
class Layout:
    """How a model is spread over ranks.

    Attributes:
        stage: Of ZeRO, 0 to 3.
        offload: What lies in the host's memory: none, optimizer, or all (optimizer and parameters; stage 3).
        ranks: GPUs.
        micro_batch: Samples a rank holds at once.
        checkpointing: Whether activations are recomputed.
        precision: fp32, bf16 or fp16.
        bucket: reduce_bucket_size, in numbers.
        overlap: Whether gradients are exchanged while others are computed (stages 1 and 2: a second bucket).
        accumulates: Whether a step has several micro-batches.
        secondary: ZeRO++: GPUs of a node that share a second copy of the weights (hpZ), with gradients that are sent
            between nodes quantized (qgZ); 0 without. Stage 3.
    """

    stage: int
    ranks: int
    micro_batch: int
    checkpointing: bool = False
    offload: str = "none"
    precision: str = "bf16"
    bucket: int = BUCKET
    overlap: bool = True
    accumulates: bool = True
    secondary: int = 0

    @property
    def width(self) -> int:
        """Bytes of a number in the forward pass."""
        return BYTES[self.precision]


@dataclass(frozen=True)
class Memory:
    """Bytes on a rank's device by part at the highest moment, and on its host.

    `buffers` are those for exchange and gathered parameters; `workspace` is what the optimizer's step needs beyond
    the others' bytes; `host` is what is offloaded, `saving` the copy there from which a checkpoint is written.
    """

    parameters: int
    gradients: int
    optimizer: int
    ema: int
    activations: int
    buffers: int
    workspace: int
    host: int
    saving: int

    @property
    def device(self) -> int:
        """All parts on the device."""
        return sum(size for name, size in self.parts().items() if name not in ON_HOST)

    @property
    def on_host(self) -> int:
        """All parts in the host's memory."""
        return self.host + self.saving

    def parts(self) -> dict[str, int]:
        """By name."""
        return asdict(self)


def predict(model: ModelFacts, layout: Layout) -> Memory:
    """What a rank holds at its highest moment."""
    share = -(-model.parameters // layout.ranks)
    optimizer, ema = _optimizer(model, layout, share), MASTER * _owned(model, layout, share)
    parameters = layout.width * (share if layout.stage == 3 else model.parameters)
    highest = max(_moments(model, layout, share), key=lambda moment: moment.bytes)
    host, saving = 0, 4 * MASTER * share  # weights, two moments and average: each number is one rank's to save
    if layout.offload != "none":
        host, optimizer, ema = optimizer + ema + _waiting_on_host(layout, share), 0, 0
    if layout.offload == "all":
        host, parameters = host + parameters, 0
    return Memory(parameters, optimizer=optimizer, ema=ema, host=host, saving=saving, **asdict(highest))


def _waiting_on_host(layout: Layout, share: int) -> int:
    """Gradients in fp32 and as they came; stage 2 has what it accumulated apart."""
    copies = 2 if layout.stage == 2 and layout.accumulates else 1
    return (MASTER + copies * layout.width) * share


@dataclass(frozen=True)
class _Moment:
    """What comes to weights, optimizer and average at one of the moments that can be the highest."""

    gradients: int = 0
    activations: int = 0
    buffers: int = 0
    workspace: int = 0

    @property
    def bytes(self) -> int:
        return self.gradients + self.activations + self.buffers + self.workspace


def _moments(model: ModelFacts, layout: Layout, share: int) -> tuple[_Moment, ...]:
    """The end of the forward pass, the last exchange of gradients, the optimizer's step.

    Stage 3 has a buffer for gradients that stands; elsewhere they are there during a forward pass only where others
    were accumulated before, and stages 1 and 2 drop them as soon as they are in fp32.
    """
    gradients = _gradients(model, layout, share)
    before = gradients if _waits_early(model, layout) else 0
    standing, forward, exchange = _buffers(model, layout)
    activations = model.activations(checkpointing=layout.checkpointing).at(layout.micro_batch)
    step = _step(model, layout, share) if layout.offload == "none" else 0
    return (
        _Moment(gradients=before, activations=activations, buffers=standing + forward),
        _Moment(gradients=gradients, buffers=standing + exchange),
        _Moment(gradients=gradients if layout.stage in (0, 3) else 0, buffers=standing, workspace=step),
    )


def _waits_early(model: ModelFacts, layout: Layout) -> bool:
    """Whether room for gradients is taken while nearly all activations live.

    Stage 2 takes it for all of a rank's share when the first bucket is full, which is soon where there are several.
    """
    return layout.stage == 3 or layout.accumulates or (layout.stage == 2 and layout.bucket < model.parameters)


def _owned(model: ModelFacts, layout: Layout, share: int) -> int:
    """Numbers that a rank updates: without ZeRO all."""
    return model.parameters if layout.stage == 0 else share


def _optimizer(model: ModelFacts, layout: Layout, share: int) -> int:
    """Weights in fp32 (at stage 0 in fp32 the model's own) and AdamW's two moments."""
    copies = 2 if layout.stage == 0 and layout.precision == "fp32" else 3
    return copies * MASTER * _owned(model, layout, share)


def _gradients(model: ModelFacts, layout: Layout, share: int) -> int:
    """Those that wait for the step: whole up to stage 1, a rank's share above, which is the host's with offloading.

    Stage 1 reduces them only in a step's last backward pass, and where that does not overlap, after it.
    """
    if layout.offload != "none" and (layout.stage > 1 or (layout.overlap and not layout.accumulates)):
        return 0
    return layout.width * (model.parameters if layout.stage < 2 else share)


def _buffers(model: ModelFacts, layout: Layout) -> tuple[int, int, int]:
    """Bytes of buffers that stand all the time; that come when the backward pass begins; of the last exchange."""
    if layout.stage == 0:
        return 0, 0, layout.width * min(WHOLE_BUCKET, model.parameters)
    at_once = min(layout.bucket, model.parameters)
    if layout.stage < 3:
        bucket = layout.width * layout.bucket * (2 if layout.overlap else 1)
        return 0, bucket, bucket
    ahead = PREFETCH + model.largest_block  # they lie twice: as they were received, and as weights
    gathered = min(model.parameters, REUSE // 2 + ahead) + min(model.parameters, ahead)
    second = layout.width * model.parameters // layout.secondary if layout.secondary else 0
    return layout.width * layout.bucket + second, layout.width * gathered, 2 * layout.width * at_once


def _step(model: ModelFacts, layout: Layout, share: int) -> int:
    """The gradient in fp32, of all that is updated at a time: AdamW, fused as train has it, needs no temporaries.

    At stages 1 and 2 a rank's own gradients are still there, at stage 1 also laid end to end.
    """
    copied = 0 if layout.precision == "fp32" else MASTER
    if layout.stage == 3:
        return MASTER * min(share, SUB_GROUP)
    if layout.stage > 0:
        return (copied + layout.width * {1: 2, 2: 1}[layout.stage]) * share
    return (MASTER + layout.width) * model.parameters if copied else 0
