"""Settings that DeepSpeed 0.19 removed or cannot use with convolutions, by name, and what to use instead.

DeepSpeed ignores some of these silently and fails late for others, so they are refused where settings are read.
"""

from __future__ import annotations

_COMPRESSED = "zero.quantized_gradients (qgZ), which sends a quarter of the gradients' bytes between nodes"
_WHOLE = "leave it out: nothing here takes its place"
REMOVED = {
    "onebitadam": _COMPRESSED,
    "1bitadam": _COMPRESSED,
    "zerooneadam": _COMPRESSED,
    "01adam": _COMPRESSED,
    "onebitlamb": _COMPRESSED,
    "1bitlamb": _COMPRESSED,
    "elasticity": "a training goes on from its newest checkpoint on any number of ranks: set ranks and micro_batch",
    "mics": "zero.secondary_partition (hpZ) keeps a copy of the parameters within a node",
    "micsshardsize": "zero.secondary_partition (hpZ) keeps a copy of the parameters within a node",
    "micshierarchicalparamsgather": "zero.secondary_partition (hpZ) gathers parameters within a node",
    "zeropplocoparam": "zero.quantized_gradients (qgZ) without error feedback",
    "nebula": "section checkpoints says when and how training is saved",
    "amp": "precision: bf16 or fp16",
    "sparseattention": _WHOLE,
    "sparsegradients": _WHOLE,
    "curriculumlearning": _WHOLE,
    "progressivelayerdrop": _WHOLE,
    "compressiontraining": _WHOLE,
    "quantizetraining": _WHOLE,
    "eigenvalue": _WHOLE,
    "graphharvesting": "compile: true, at ZeRO stages 0 to 2",
}


_QUANTIZED_WEIGHTS = (
    "asserts that what a rank has of the weights gathered at once (qwZ) is a multiple of 8 numbers, which the "
    "biases of convolutions are not; instead: zero.secondary_partition (hpZ) and zero.quantized_gradients (qgZ)"
)
UNUSABLE = {"quantizedweights": _QUANTIZED_WEIGHTS, "zeroquantizedweights": _QUANTIZED_WEIGHTS}


def instead_of(name: str) -> str | None:
    """What to use instead of something that DeepSpeed removed; None for a name that is not one of these."""
    return REMOVED.get(_plain(name))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def refuse_removed(values: object, path: str = "") -> None:
    """Raise ValueError for the first of these names among the keys of nested settings."""
    if not isinstance(values, dict):
        return
    for name, value in values.items():
        if name == "job":  # what is in it is no name of ours: variables, labels
            continue
        here = f"{path}.{name}" if path else str(name)
        if instead := instead_of(str(name)):
            raise ValueError(f"{here}: DeepSpeed 0.19 has removed it; instead: {instead}")
        if fault := UNUSABLE.get(_plain(str(name))):
            raise ValueError(f"{here}: DeepSpeed 0.19 {fault}")
        refuse_removed(value, here)
