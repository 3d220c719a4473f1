"""Leaves out one batch of three with each way that DeepSpeed holds weights; compares with training on the other two.

python -m tests.components.train.rank.skipping OUT.json     as the only rank of a group
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import deepspeed
import torch
from torch import Tensor, nn

from platen.components.train.parallel.zero import engine_config, init_processes
from platen.components.train.rank.guard import Guard, watch_plain_optimizer
from platen.components.train.settings import TrainSettings
from tests.components.train.small_run import settings

FAULTS = {
    "none": lambda output: output.square().mean(),
    "loss": lambda output: output.square().mean() * torch.inf,
    "gradient": lambda output: (output.sum() * 0).sqrt(),  # 0, and its derivative is 0 x infinity
}


def main(out: str) -> None:
    init_processes()
    told = {}
    for stage, precision, fault in itertools.product(range(4), ("fp32", "bf16"), ("loss", "gradient")):
        chosen = settings(ranks=1, precision=precision, zero={"stage": stage}, global_batch=4)
        left_out, reasons = trained(chosen, ["none", fault, "none"])
        without, _ = trained(chosen, ["none", "none"])
        told[f"stage {stage}, {precision}, {fault}"] = {"same": left_out.equal(without), "reasons": reasons}
    Path(out).write_text(json.dumps(told))


def trained(chosen: TrainSettings, faults: list[str]) -> tuple[Tensor, list[str]]:
    """What a model says after some steps of two micro-batches, and why batches were left out."""
    torch.manual_seed(0)
    engine, guard = start(chosen)
    losses: list[float | None] = []
    for step, fault in enumerate(faults):
        good = sum(loss is not None for loss in losses)  # a batch that counts is the same whatever came before
        parts: list[Tensor] = []
        guard.opens(step)
        for part in range(2):
            output = engine(torch.full((2, 4), 1.0 + good + part / 2).to(dtype(chosen)))
            loss = FAULTS[fault if part == 0 or fault == "gradient" else "none"](output.float())
            parts.append(loss.detach())
            engine.backward(guard.admit(step, loss, parts, losses) if part else loss)
            engine.step()
        assert guard.applied(step, engine, losses) is (fault == "none")
        losses.append(guard.loss)
    with torch.no_grad():
        return engine(torch.ones(1, 4).to(dtype(chosen))), [each.reason for each in guard.incidents.values()]


def start(chosen: TrainSettings) -> tuple[Any, Guard]:
    model = nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=engine_config(chosen))
    watch_plain_optimizer(engine.optimizer)
    return engine, Guard(
        chosen, tempfile.mkdtemp(), lambda step: [f"{step}-{place}" for place in range(4)], lambda: None
    )


def dtype(chosen: TrainSettings) -> torch.dtype:
    return torch.bfloat16 if chosen.precision == "bf16" else torch.float32


if __name__ == "__main__":
    main(sys.argv[1])
