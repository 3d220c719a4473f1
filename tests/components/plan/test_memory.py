from __future__ import annotations

from dataclasses import replace

import pytest

from platen.components.plan.memory import Layout, _step, predict
from platen.components.plan.profile import ModelFacts

LAYOUT = Layout(stage=3, ranks=8, micro_batch=4)


def test_each_stage_splits_one_part_more(large: ModelFacts) -> None:
    whole = large.parameters
    at = {stage: predict(large, replace(LAYOUT, stage=stage)) for stage in (1, 2, 3)}
    assert at[1].parameters == at[2].parameters == 2 * whole
    assert at[3].parameters == pytest.approx(2 * whole / 8, rel=1e-6)
    assert at[1].gradients == 2 * whole
    assert at[2].gradients == pytest.approx(2 * whole / 8, rel=1e-6)
    assert at[1].optimizer == at[3].optimizer == pytest.approx(12 * whole / 8, rel=1e-6)
    assert {memory.ema for memory in at.values()} == {at[3].optimizer // 3}


def test_without_zero_nothing_is_split_in_fp32(large: ModelFacts) -> None:
    memory = predict(large, replace(LAYOUT, stage=0, precision="fp32"))
    parts = memory.parameters, memory.gradients, memory.optimizer, memory.ema
    assert parts == tuple(factor * large.parameters for factor in (4, 4, 8, 4))


def test_offloading_moves_parts_to_the_host(large: ModelFacts) -> None:
    here = predict(large, LAYOUT)
    optimizer = predict(large, replace(LAYOUT, offload="optimizer"))
    everything = predict(large, replace(LAYOUT, offload="all"))
    assert (here.host, optimizer.optimizer, optimizer.ema, everything.parameters) == (0, 0, 0, 0)
    assert optimizer.host >= here.optimizer + here.ema
    assert everything.host == optimizer.host + here.parameters
    assert here.device > optimizer.device > everything.device


def test_checkpointing_and_a_smaller_batch_need_less(large: ModelFacts) -> None:
    plain = predict(large, LAYOUT)
    assert predict(large, replace(LAYOUT, checkpointing=True)).device < plain.device
    assert predict(large, replace(LAYOUT, micro_batch=1)).device < plain.device


def test_the_parts_are_the_whole(large: ModelFacts) -> None:
    memory = predict(large, LAYOUT)
    assert memory.device + memory.on_host == sum(memory.parts().values())
    assert memory.saving == pytest.approx(16 * large.parameters / 8, rel=1e-6)


def test_stage_1_keeps_whole_gradients_on_the_device_also_where_the_optimizer_is_offloaded(large: ModelFacts) -> None:
    layout = replace(LAYOUT, stage=1, offload="optimizer")
    assert predict(large, layout).gradients == 2 * large.parameters
    assert predict(large, replace(layout, stage=2)).gradients == 0
    assert predict(large, replace(layout, accumulates=False)).gradients == 0  # exchanged as they come


@pytest.mark.parametrize(
    ("stage", "precision", "bytes_a_number"),
    [(1, "bf16", 8), (1, "fp32", 8), (2, "bf16", 6), (2, "fp32", 4), (3, "bf16", 4)],
)
def test_the_step_needs_gradients_in_fp32_and_no_temporaries(
    large: ModelFacts, stage: int, precision: str, bytes_a_number: int
) -> None:
    share = -(-large.parameters // LAYOUT.ranks)
    assert _step(large, replace(LAYOUT, stage=stage, precision=precision), share) == bytes_a_number * share
