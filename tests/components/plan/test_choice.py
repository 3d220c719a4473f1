from __future__ import annotations

from dataclasses import replace

import pytest

from platen.components.plan.choice import GIB, choose
from platen.components.plan.prices import PriceTable, read_prices
from platen.components.plan.profile import Activations, ModelFacts
from platen.components.plan.settings import PlanSettings
from platen.core.errors import InputError


@pytest.fixture(scope="module")
def table() -> PriceTable:
    return read_prices(None)


def test_cost_and_time_choose_differently(large: ModelFacts, table: PriceTable) -> None:
    cheap = choose(large, table, None, PlanSettings(global_batch=256, aim="cost")).best
    quick = choose(large, table, None, PlanSettings(global_batch=256, aim="time")).best
    assert cheap.usd < quick.usd
    assert quick.hours < cheap.hours


def test_a_deadline_makes_it_dearer_and_one_too_short_is_refused(large: ModelFacts, table: PriceTable) -> None:
    settings = PlanSettings(global_batch=256, steps=100_000)
    free = choose(large, table, None, settings).best
    within = choose(large, table, None, settings.model_copy(update={"deadline_hours": free.hours / 4})).best
    assert within.hours <= free.hours / 4
    assert within.usd >= free.usd * 0.999
    with pytest.raises(InputError, match=r"no plan: nothing within deadline_hours 0.001 .*the quickest takes"):
        choose(large, table, None, settings.model_copy(update={"deadline_hours": 0.001}))
    with pytest.raises(InputError, match=r"budget_usd 1.0; the quickest takes .* the cheapest"):
        choose(large, table, None, settings.model_copy(update={"budget_usd": 1.0}))


def test_everything_chosen_fits_and_divides(large: ModelFacts, table: PriceTable) -> None:
    settings = PlanSettings(global_batch=768, stages=(0, 1, 2, 3), offloads=("none", "optimizer", "all"))
    choice = choose(large, table, 700, settings)
    for way in (choice.best, *(other for other, _ in choice.runners_up)):
        assert way.layout.ranks * way.layout.micro_batch * way.accumulation == 768
        assert way.memory.device / GIB <= 0.9 * table.gpus[way.offer.gpu].memory_gib - 1
        assert way.layout.ranks <= 64
    assert all(why for _, why in choice.runners_up)


def test_a_model_too_large_for_a_gpu_alone_is_checkpointed_split_or_refused(
    large: ModelFacts, table: PriceTable
) -> None:
    heavy = replace(large, plain=Activations(((200 * GIB, 0),), large.plain.flops))
    assert choose(heavy, table, None, PlanSettings()).best.layout.checkpointing
    hopeless = replace(heavy, checkpointed=heavy.plain)
    with pytest.raises(InputError, match=r"one sample a rank needs 20\d\.\d GiB"):
        choose(hopeless, table, None, PlanSettings(gpu="A100-40GB"))


def test_spot_is_cheaper_an_hour_and_takes_longer(large: ModelFacts, table: PriceTable) -> None:
    here = {"places": ("gcp/us-central1",), "gpu": "H200-141GB", "gpus": 8}
    never = choose(large, table, None, PlanSettings(**here, spot="never")).best
    only = choose(large, table, None, PlanSettings(**here, spot="only")).best
    assert (never.spot, only.spot) == (False, True)
    assert only.hours == pytest.approx(never.hours / 0.9)
    assert only.usd < never.usd


def test_moving_data_is_counted_where_it_leaves_a_place(large: ModelFacts, table: PriceTable) -> None:
    settings = PlanSettings(data_gb=1000, data_at="aws/us-east-1", places=("lambda/any",))
    assert choose(large, table, None, settings).best.transfer_usd == pytest.approx(90)
    stays = settings.model_copy(update={"places": ("aws/us-east-1",)})
    assert choose(large, table, None, stays).best.transfer_usd == 0


def test_own_machines_are_chosen_only_by_name(large: ModelFacts, table: PriceTable) -> None:
    assert not choose(large, table, None, PlanSettings()).best.offer.place.startswith("onprem/")
    assert choose(large, table, None, PlanSettings(places=("onprem/example",))).best.offer.gpus == 8


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gpu": "B9000"}, r"plan.gpu 'B9000': not in the price table. Accepted: A100-40GB, "),
        ({"places": ("moon/1",)}, r"plan.places: 'moon/1' is not in the price table. Accepted: aws/us-east-1, "),
        ({"gpu": "H200-141GB", "places": ("lambda/any",)}, r"has no H200-141GB at lambda/any. Accepted: "),
        ({"data_at": "moon/1"}, r"plan.data_at 'moon/1': accepted: aws"),
        ({"gpus": 12, "global_batch": 12}, r"16 GPUs, not 12"),
        ({"nodes": 4, "places": ("lambda/any",)}, r"no network between its nodes"),
        ({"nodes": 16, "gpu": "H200-141GB"}, r"128 GPUs, above most_gpus 64"),
        ({"spot": "only", "places": ("aws/us-east-1",)}, r"at aws/us-east-1: no spot price in the price table"),
        ({"data_at": "runpod/secure", "data_gb": 10, "places": ("lambda/any",)}, r"no price .* leaves runpod/secure"),
        ({"stages": (0,), "offloads": ("optimizer",)}, r"stage 0, offload optimizer: needs stage 1 or above"),
        ({"nodes": 2, "global_batch": 24, "gpu": "H100-80GB"}, r"global_batch 24 is not divisible by 16 ranks"),
    ],
    ids=[
        "gpu",
        "place",
        "gpu_at_place",
        "data_at",
        "gpus",
        "no_network",
        "most_gpus",
        "spot",
        "data",
        "offload",
        "batch",
    ],
)
def test_what_cannot_be_is_refused(large: ModelFacts, table: PriceTable, settings: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        choose(large, table, None, PlanSettings(**settings))


def test_any_number_of_nodes_that_divides_the_batch_is_looked_at(large: ModelFacts, table: PriceTable) -> None:
    settings = PlanSettings(global_batch=1536, aim="time", gpu="A100-40GB", places=("aws/us-east-1",), most_gpus=31)
    assert choose(large, table, None, settings).best.nodes == 3


def test_the_hosts_memory_has_to_hold_a_checkpoint_on_its_way(large: ModelFacts, table: PriceTable) -> None:
    huge = replace(large, parameters=7_500_000_000)
    small = {"gpu": "H100-80GB", "gpus": 1, "offloads": ("optimizer",), "places": ("gcp/us-central1",)}
    with pytest.raises(InputError, match=r"GiB of the host where it may take 187\.2"):
        choose(huge, table, None, PlanSettings(**small))


def test_of_ways_that_are_alike_the_larger_micro_batch_is_taken(large: ModelFacts, table: PriceTable) -> None:
    heavy = replace(large, parameters=6_000_000_000)
    settings = PlanSettings(global_batch=256, gpus=8, gpu="A100-40GB", places=("aws/us-east-1",), offloads=("none",))
    assert choose(heavy, table, None, settings).best.layout.micro_batch > 1


def test_more_ranks_than_samples_are_refused(large: ModelFacts, table: PriceTable) -> None:
    with pytest.raises(InputError, match=r"more ranks than the 7 samples"):
        choose(large, table, 7, PlanSettings(gpu="A100-40GB"))


def test_a_thousand_gpus_are_a_small_search(large: ModelFacts, table: PriceTable) -> None:
    """The search's size, not its time, is held down; bench/planner_speed.py tells the time."""
    settings = PlanSettings(
        gpus=1024, global_batch=8192, stages=(0, 1, 2, 3), offloads=("none", "optimizer", "all"), most_gpus=1024
    )
    choice = choose(large, table, None, settings)
    assert choice.best.layout.ranks == 1024
    assert choice.looked_at < 1000


def test_zeropp_is_chosen_where_the_network_between_nodes_is_slow(large: ModelFacts, table: PriceTable) -> None:
    offers = [offer.model_copy(update={"node_gb_s": 5}) for offer in table.offers if offer.gpu == "H100-80GB"]
    slow = table.model_copy(update={"offers": tuple(offers)})
    settings = PlanSettings(nodes=2, gpus=16, global_batch=64, zeropp=True)
    assert choose(large, slow, None, settings).best.layout.secondary == 8
    assert not choose(large, slow, None, settings.model_copy(update={"zeropp": False})).best.layout.secondary
