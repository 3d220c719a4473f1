"""A training at ZeRO-3 in bf16: images a second, MFU, and its memory against the planner's number.

python -m bench.gpu.zero3 FOLDER SIZE SHAPE
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.gpu.shapes import Shape
from bench.gpu.world import WINDOWS, Training, World
from bench.rows import Row, Table
from platen.components.plan.memory import Layout, Memory, predict
from platen.components.plan.profile import profile
from platen.components.plan.settings import PlanSettings

MIB = 2**20


def main(world: World) -> None:
    """Print the rows."""
    training = world.train("zero3", zero={"stage": 3})
    for row in (*speed(world.shape, training), memory(world.shape, training, planned(world.shape))):
        row.tell()


def speed(shape: Shape, training: Training) -> list[Row]:
    """Images a second and MFU."""
    how = (
        f"the train stage, ZeRO-3 on one device, bf16, AdamW and an average of the weights; {training.parameters} "
        f"parameters, {shape.sizes}, no gradient checkpointing; {shape.steps} steps, median of the last "
        f"{WINDOWS - 1} of {WINDOWS} equal parts"
    )
    assumed = {"the planner's assumption (plan.achieved)": PlanSettings().achieved}
    unknown = "" if training.mfu is not None else "; the highest rate of this device is not in the table of peaks"
    return [
        Row(f"images a second at ZeRO-3, {shape.title}", training.rate, "", {}, how),
        Row(f"MFU at ZeRO-3, {shape.title}", training.mfu, "", assumed, f"the same training{unknown}"),
    ]


def planned(shape: Shape) -> Memory:
    """Predict the memory of the training, as `platen plan` does."""
    facts = profile(shape.network, shape.side, shape.tokens, "bf16")
    # gradients are exchanged beside the backward pass where the backend is NCCL
    layout = Layout(stage=3, ranks=1, micro_batch=shape.micro_batch, overlap=on_gpu(), accumulates=False)
    return predict(facts, layout)


def on_gpu() -> bool:
    """Return whether training runs on a GPU."""
    import torch

    return torch.cuda.is_available()


def memory(shape: Shape, training: Training, plan: Memory) -> Row:
    """Compare the highest moment of a step with the plan's; the table has the parts that each of the two counts."""
    measured = sum(training.memory.values())
    error = plan.device / measured - 1
    parts = {
        "planned, MiB": plan.device / MIB,
        "measured, MiB": measured / MIB,
        "planned less measured, share of what was measured": error,
    }
    cells = [[name, f"{size / MIB:.1f}", ""] for name, size in plan.parts().items()]
    cells += [[name, "", f"{size / MIB:.1f}"] for name, size in training.memory.items()]
    how = (
        "the same training: bytes of live tensors at the highest moment of a step, on a GPU by torch's allocator, what "
        "CUDA and NCCL take for themselves not counted; activations, as measured, are all that goes beyond what stands "
        "between two steps"
    )
    table = Table(["Part", "planned, MiB", "measured, MiB"], cells)
    return Row(f"error of the planner's memory at ZeRO-3, {shape.title}", abs(error), "<= 0.1", parts, how, table)


if __name__ == "__main__":
    main(World(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
