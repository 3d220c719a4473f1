"""Settings of train by the name of where it runs: a few fields together that are wrong one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import yaml

from platen.core.settings import everything, over

Name = Literal["one-gpu", "one-node", "many-nodes", "slow-network", "offload"]
Where = Literal["one rank", "one node", "many nodes", "anywhere"]
SHOWN = 8  # ranks a node, where a preset is printed without settings


@dataclass(frozen=True)
class Preset:
    """What a name stands for.

    Attributes:
        says: What for, and what it costs.
        where: What it can be used on.
        fields: Of `train`, all without effect on the model.
        splits_node: Whether each node keeps a second copy of the parameters (hpZ), shared by its ranks.
    """

    says: str
    where: Where
    fields: Mapping[str, Any]
    splits_node: bool = False

    def sets(self, per_node: int) -> dict[str, Any]:
        """The fields with their values on nodes of so many ranks."""
        second = {"zero": {"secondary_partition": per_node}} if self.splits_node and per_node > 1 else {}
        return over(self.fields, second)


PRESETS: dict[str, Preset] = {
    "one-gpu": Preset("one rank; nothing to split", "one rank", {"ranks": 1, "zero": {"stage": 0}}),
    "one-node": Preset(
        "gradients and optimizer state are split over the node's ranks, weights are whole: few messages",
        "one node",
        {"zero": {"stage": 2}},
    ),
    "many-nodes": Preset(
        "all is split over all ranks; a second copy of the weights in each node saves the way between nodes in the "
        "backward pass",
        "many nodes",
        {"zero": {"stage": 3}},
        splits_node=True,
    ),
    "slow-network": Preset(
        "as many-nodes, and gradients go between nodes as 4-bit numbers: less than half of the bytes; GPUs only",
        "many nodes",
        {"zero": {"stage": 3, "quantized_gradients": True}},
        splits_node=True,
    ),
    "offload": Preset(
        "weights and optimizer state lie in the host's memory, activations are recomputed: least memory of a GPU, slow",
        "anywhere",
        {
            "gradient_checkpointing": True,
            "zero": {"stage": 3, "offload_optimizer": "cpu", "offload_parameters": "cpu"},
        },
    ),
}


def with_preset(values: Any) -> Any:
    """Given settings of train, with those of their preset below: what is given has the last word.

    Raises ValueError where it is for something else than what is given, or where what is given leaves nothing of
    it, as in a file that has every field.
    """
    if not isinstance(values, Mapping) or values.get("preset") not in get_args(Name):
        return values
    name = values["preset"]
    job = values.get("job")
    fault = _fault(PRESETS[name].where, values.get("ranks"), job)
    if fault is not None:
        raise ValueError(f"preset {name} is for {PRESETS[name].where}, not {fault}; change one of the two")
    fields = PRESETS[name].sets(_of(job, "processes_per_node", 1))
    _check_effect(name, dict(leaves(fields)), dict(leaves(values)))
    zero = values.get("zero")
    if isinstance(zero, Mapping) and zero.get("stage", fields["zero"]["stage"]) != fields["zero"]["stage"]:
        del fields["zero"]  # its options belong to its stage
    return over(fields, values)


def _check_effect(name: str, wanted: Mapping[str, Any], beside: Mapping[str, Any]) -> None:
    from platen.components.train.settings import TrainSettings  # which has presets

    defaults = dict(leaves(everything(TrainSettings())))
    changes = {field: value for field, value in wanted.items() if defaults[field] != value}
    others = [f"{field} {beside[field]}" for field, value in changes.items() if beside.get(field, value) != value]
    if changes and len(others) == len(changes):
        raise ValueError(
            f"preset {name} changes nothing, with {', '.join(others)} beside it; leave out either of the two"
        )


def _fault(where: Where, ranks: Any, job: Any) -> str | None:
    """What is given that a preset is not for."""
    nodes = 1 if job is None else _of(job, "nodes", 2)
    if where == "one rank" and ranks not in (None, 1):
        return f"ranks {ranks}"
    if where in ("one node", "many nodes") and ranks == 1:
        return "ranks 1"
    if where in ("one rank", "one node") and nodes != 1:
        return f"job.nodes {nodes}"
    if where == "many nodes" and nodes == 1:
        return "this machine alone (job is null)" if job is None else "job.nodes 1"
    return None


def _of(job: Any, name: str, default: int) -> int:
    """A number of the job, which is not validated yet: what is no number is refused later."""
    found = job.get(name, default) if isinstance(job, Mapping) else getattr(job, name, default)
    return found if isinstance(found, int) else default


def leaves(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of each field."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def preset_text(name: str) -> str:
    """What a preset sets, as settings."""
    preset = PRESETS[name]
    shown = preset.sets(SHOWN)
    lines = [f"# {preset.says}", f"# where: {preset.where}; what is set beside it has the last word"]
    if preset.splits_node:
        lines.append(f"# secondary_partition is job.processes_per_node, here {SHOWN}")
    return "\n".join([*lines, yaml.safe_dump({"train": shown}, sort_keys=False).rstrip()])
