from __future__ import annotations

from dataclasses import replace

import pytest

from platen.components.plan.memory import Layout
from platen.components.plan.prices import read_prices
from platen.components.plan.profile import ModelFacts
from platen.components.plan.settings import PlanSettings
from platen.components.plan.speed import step, volume

TABLE = read_prices(None)
P5 = next(offer for offer in TABLE.offers if offer.instance == "p5.48xlarge")
GPU = TABLE.gpus[P5.gpu]


def test_volumes_by_stage(large: ModelFacts) -> None:
    weights = 2 * large.parameters
    at = {stage: volume(large, Layout(stage, 16, 1), rounds=4) / weights for stage in range(4)}
    assert at == {0: 2, 1: 2, 2: 5, 3: 12}
    assert volume(large, Layout(3, 1, 1), rounds=4) == 0


def test_a_slower_network_between_nodes_is_what_counts(large: ModelFacts) -> None:
    settings = PlanSettings(overlap=0)
    one = step(large, Layout(3, 8, 1), GPU, P5, 1, settings)
    two = step(large, Layout(3, 16, 1), GPU, replace_offer(10), 1, settings)
    sent = 3 * 2 * large.parameters
    assert one.communication == pytest.approx(sent * 7 / 8 / (GPU.link_gb_s * 1e9) / settings.link_achieved)
    assert two.communication == pytest.approx(sent * 15 / 16 / 10e9 / settings.link_achieved)


def replace_offer(node_gb_s: float) -> object:
    return P5.model_copy(update={"node_gb_s": node_gb_s})


def test_computing_takes_what_the_rate_says_and_hides_communication(large: ModelFacts) -> None:
    settings = PlanSettings(achieved=0.5, overlap=1)
    took = step(large, Layout(3, 8, 2), GPU, P5, 3, settings)
    assert took.compute == pytest.approx(6 * large.plain.flops / (GPU.tflops["bf16"] * 1e12 * 0.5))
    assert took.hidden == min(took.communication, took.compute)
    assert took.mfu <= 0.5


def test_offloading_costs_time(large: ModelFacts) -> None:
    layout, settings = Layout(3, 8, 2), PlanSettings()
    here = step(large, layout, GPU, P5, 2, settings)
    optimizer = step(large, replace(layout, offload="optimizer"), GPU, P5, 2, settings)
    everything = step(large, replace(layout, offload="all"), GPU, P5, 2, settings)
    assert here.offload == 0 < optimizer.offload < everything.offload


def test_reading_hides_behind_the_rest_as_far_as_it_goes(large: ModelFacts) -> None:
    fast, slow = (step(large, Layout(3, 8, 2), GPU, P5, 2, PlanSettings(read_gb_s=rate)) for rate in (1, 1e-4))
    assert fast.reading == 0
    assert slow.seconds == pytest.approx(8 * 4 * large.sample_bytes / 1e5)


def test_above_stage_1_offloaded_gradients_come_and_go_with_every_micro_batch(large: ModelFacts) -> None:
    layout, settings = Layout(1, 8, 2, offload="optimizer"), PlanSettings()
    once, again = (step(large, replace(layout, stage=stage), GPU, P5, 4, settings).offload for stage in (1, 2))
    assert again - once == pytest.approx(6 * 2 * large.parameters / 8 / (GPU.host_gb_s * 1e9))


def test_zeropp_sends_less_than_half_between_nodes(large: ModelFacts) -> None:
    offer, settings = P5.model_copy(update={"node_gb_s": 10}), PlanSettings(overlap=0)
    plain, quantized = (step(large, Layout(3, 16, 1, secondary=gpus), GPU, offer, 1, settings) for gpus in (0, 8))
    assert quantized.communication == pytest.approx(plain.communication * 1.25 / 3)
