"""Every way to run a training that the settings allow, and the best of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from platen.components.plan.memory import Layout, Memory, predict
from platen.components.plan.prices import Gpu, Offer, PriceTable, chosen_offers
from platen.components.plan.profile import ModelFacts
from platen.components.plan.settings import PlanSettings
from platen.components.plan.speed import Step, step
from platen.core.errors import InputError

GIB = 2**30
HOST_SHARE = 0.8  # of a node's memory that offloading may take: the rest is for the processes and the page cache
RUNNERS_UP = 6
ALIKE = 2  # of them at the best one's place


@dataclass(frozen=True)
class Candidate:
    """One way, with what it takes. Costs are in USD, energy is that of the GPUs alone at their highest power."""

    offer: Offer
    nodes: int
    spot: bool
    layout: Layout
    accumulation: int
    memory: Memory
    step: Step
    hours: float
    compute_usd: float
    transfer_usd: float
    energy_kwh: float

    @property
    def usd(self) -> float:
        """All that it costs."""
        return self.compute_usd + self.transfer_usd

    @property
    def kind(self) -> tuple[object, ...]:
        """Ways of one kind differ only in numbers: of these the best one is told."""
        return self.offer.place, self.offer.instance, self.spot

    @property
    def way(self) -> tuple[object, ...]:
        """What is told apart within a kind."""
        return self.layout.stage, self.layout.offload, self.layout.checkpointing, self.layout.secondary, self.nodes

    @property
    def simplicity(self) -> tuple[object, ...]:
        """Of two that are equal the smaller is simpler."""
        layout = self.layout
        plain = layout.offload, layout.secondary, layout.checkpointing
        return *plain, -layout.micro_batch, layout.stage, layout.ranks, self.spot

    def summary(self) -> dict[str, Any]:
        """For the plan file."""
        layout = asdict(self.layout)
        names = ("stage", "offload", "ranks", "micro_batch", "checkpointing")
        return {
            "place": self.offer.place,
            "instance": self.offer.instance,
            "gpu": self.offer.gpu,
            "nodes": self.nodes,
            "spot": self.spot,
            **{name: layout[name] for name in names},
            "zeropp": bool(self.layout.secondary),
            "accumulation": self.accumulation,
            "memory_bytes": {**self.memory.parts(), "device": self.memory.device, "on_host": self.memory.on_host},
            "step_seconds": self.step.parts(),
            "hours": self.hours,
            "usd": self.usd,
            "transfer_usd": self.transfer_usd,
            "energy_kwh": self.energy_kwh,
        }


@dataclass(frozen=True)
class Choice:
    """The best way, the best of other kinds with why each lost, and why what is not among them cannot be."""

    best: Candidate
    runners_up: tuple[tuple[Candidate, str], ...]
    ruled_out: tuple[str, ...]
    looked_at: int


def choose(model: ModelFacts, table: PriceTable, samples: int | None, settings: PlanSettings) -> Choice:
    """The best way.

    Raises InputError where nothing can be done, with what would help, and where what was asked for is not in the table.
    """
    offers = chosen_offers(table, settings.gpu, settings.places)
    if settings.data_at is not None and settings.data_at not in table.places:
        raise InputError(f"plan.data_at {settings.data_at!r}: accepted: {', '.join(table.places)}")
    faults: dict[str, None] = {}
    found: list[Candidate] = []
    for offer in offers:
        if missing := _missing_price(offer, table, settings):
            faults[missing] = None
            continue
        for nodes in _node_counts(offer, samples, settings, faults):
            found += _ways(model, table, offer, nodes, settings, faults)
    kept = [candidate for candidate in found if _within(candidate, settings)]
    if not kept:
        raise InputError(f"no plan: {_nearest(found, settings) or '; '.join(faults)}")
    ranked = sorted(kept, key=lambda candidate: _order(candidate, settings))
    return Choice(ranked[0], tuple(_runners_up(ranked, settings)), tuple(faults), len(found))


def _missing_price(offer: Offer, table: PriceTable, settings: PlanSettings) -> str | None:
    """What the price table does not say of an offer, without which its cost is not known."""
    if settings.spot == "only" and offer.spot_usd_per_gpu_hour is None:
        return f"{offer.instance} at {offer.place}: no spot price in the price table"
    if transfer_usd(offer, table, settings) is None:
        return f"{offer.instance} at {offer.place}: no price in the price table for data that leaves {settings.data_at}"
    return None


def _node_counts(offer: Offer, samples: int | None, settings: PlanSettings, faults: dict[str, None]) -> list[int]:
    """How many nodes of an offer can share the batch; where none can, why is among the faults."""
    wanted = settings.nodes or (-(-settings.gpus // offer.gpus) if settings.gpus else None)
    most = max(1, min(settings.most_gpus // offer.gpus, offer.most_nodes))
    counts = range(1, most + 1) if wanted is None else [wanted]
    wrong = {nodes: _count_fault(offer, nodes, samples, settings) for nodes in counts}
    found = [nodes for nodes, fault in wrong.items() if fault is None]
    if not found:
        faults[f"{counts[0]} x {offer.instance} at {offer.place}: {wrong[counts[0]]}"] = None
    return found


def _count_fault(offer: Offer, nodes: int, samples: int | None, settings: PlanSettings) -> str | None:
    """Why so many nodes cannot be."""
    ranks = nodes * offer.gpus
    most = max(settings.most_gpus, settings.gpus or 0)
    faults = {
        f"{ranks} GPUs, not {settings.gpus}": settings.gpus not in (None, ranks),
        f"{ranks} GPUs, above most_gpus {most}": ranks > most,
        "no network between its nodes in the price table": nodes > offer.most_nodes,
        f"more ranks than the {samples} samples": samples is not None and ranks > samples,
        f"global_batch {settings.global_batch} is not divisible by {ranks} ranks": settings.global_batch % ranks != 0,
    }
    return next((fault for fault, holds in faults.items() if holds), None)


def _ways(
    model: ModelFacts, table: PriceTable, offer: Offer, nodes: int, settings: PlanSettings, faults: dict[str, None]
) -> Iterator[Candidate]:
    """Stages, offloading, checkpointing and prices; of micro-batches only the largest that fits, as none is faster."""
    gpu, ranks = table.gpus[offer.gpu], nodes * offer.gpus
    for stage in settings.stages:
        for offload in settings.offloads:
            if fault := _offload_fault(stage, offload, offer):
                faults[fault] = None
                continue
            for checkpointing in (False, True):
                plain = Layout(stage, ranks, 1, checkpointing, offload, settings.precision)
                quantized = settings.zeropp and stage == 3 and nodes > 1 and offer.gpus > 1
                for layout in (plain, replace(plain, secondary=offer.gpus)) if quantized else (plain,):
                    fitting = _largest_fitting(model, layout, gpu, offer, settings)
                    if fitting is None:
                        faults[_too_large(model, layout, gpu, offer, settings)] = None
                        continue
                    yield from _priced(model, *fitting, gpu, offer, nodes, table, settings)


def _offload_fault(stage: int, offload: str, offer: Offer) -> str | None:
    """Why a stage does not offload so, or an offer not at all."""
    needed = {"none": 0, "optimizer": 1, "all": 3}[offload]
    if stage < needed:
        return f"stage {stage}, offload {offload}: needs stage {needed} or above"
    if offload != "none" and offer.host_gib is None:
        return f"{offer.instance} at {offer.place}: its memory is not in the price table, so nothing is offloaded there"
    return None


def _largest_fitting(
    model: ModelFacts, layout: Layout, gpu: Gpu, offer: Offer, settings: PlanSettings
) -> tuple[Layout, Memory] | None:
    room, host = _room(gpu, settings), _host_room(offer, layout)
    own = settings.global_batch // layout.ranks
    for micro_batch in _divisors(own):
        tried = replace(layout, micro_batch=micro_batch, accumulates=micro_batch < own)
        memory = _predicted(model, tried)
        if memory.device <= room and memory.on_host <= host:
            return tried, memory
    return None


@lru_cache(maxsize=100_000)
def _predicted(model: ModelFacts, layout: Layout) -> Memory:
    return predict(model, layout)


@lru_cache(maxsize=1000)
def _divisors(number: int) -> tuple[int, ...]:
    """The largest first."""
    return tuple(divisor for divisor in range(number, 0, -1) if number % divisor == 0)


def _room(gpu: Gpu, settings: PlanSettings) -> float:
    """Bytes of a GPU that a rank may take."""
    return (gpu.memory_gib * (1 - settings.memory_margin) - settings.reserved_gib) * GIB


def _host_room(offer: Offer, layout: Layout) -> float:
    """Bytes of a node's memory that a rank may take; any where it is not known: then nothing is offloaded."""
    return HOST_SHARE * (offer.host_gib or math.inf) * GIB / min(offer.gpus, layout.ranks)


def _too_large(model: ModelFacts, layout: Layout, gpu: Gpu, offer: Offer, settings: PlanSettings) -> str:
    need, room = predict(model, layout), _host_room(offer, layout) / GIB
    host = f", and {need.on_host / GIB:.1f} GiB of the host where it may take {room:.1f}" if offer.host_gib else ""
    return (
        f"{layout.ranks} x {offer.gpu}, stage {layout.stage}, offload {layout.offload}, checkpointing "
        f"{'on' if layout.checkpointing else 'off'}: one sample a rank needs {need.device / GIB:.1f} GiB of a GPU's "
        f"{gpu.memory_gib:g} where it may take {_room(gpu, settings) / GIB:.1f} (memory_margin, reserved_gib){host}"
    )


def _priced(
    model: ModelFacts,
    layout: Layout,
    memory: Memory,
    gpu: Gpu,
    offer: Offer,
    nodes: int,
    table: PriceTable,
    settings: PlanSettings,
) -> Iterator[Candidate]:
    """On demand and as spot, as far as there is a price."""
    accumulation = settings.global_batch // (layout.ranks * layout.micro_batch)
    took = step(model, layout, gpu, offer, accumulation, settings)
    wanted = {"either": (False, True), "never": (False,), "only": (True,)}[settings.spot]
    moved = transfer_usd(offer, table, settings) or 0.0
    for spot in wanted:
        rate = offer.rate(spot=spot)
        if rate is None:
            continue
        hours = settings.steps * took.seconds / 3600 / (1 - settings.spot_lost if spot else 1)
        power = hours * layout.ranks * gpu.watts / 1000
        cost = hours * layout.ranks * rate
        yield Candidate(offer, nodes, spot, layout, accumulation, memory, took, hours, cost, moved, power)


def transfer_usd(offer: Offer, table: PriceTable, settings: PlanSettings) -> float | None:
    """USD to bring the data to an offer's place; None where the table does not say."""
    if settings.data_at in (None, offer.place) or settings.data_gb == 0:
        return 0.0
    rates = [other.egress_usd_per_gb for other in table.offers if other.place == settings.data_at]
    known = [rate for rate in rates if rate is not None]
    return settings.data_gb * max(known) if known else None


def _within(candidate: Candidate, settings: PlanSettings) -> bool:
    in_time = settings.deadline_hours is None or candidate.hours <= settings.deadline_hours
    return in_time and (settings.budget_usd is None or candidate.usd <= settings.budget_usd)


def _order(candidate: Candidate, settings: PlanSettings) -> tuple[object, ...]:
    """What is least first; differences below a thousandth do not count."""
    usd, hours = float(f"{candidate.usd:.4g}"), float(f"{candidate.hours:.4g}")
    first = (usd, hours) if settings.aim == "cost" else (hours, usd)
    return (*first, candidate.simplicity)


def _runners_up(ranked: list[Candidate], settings: PlanSettings) -> Iterator[tuple[Candidate, str]]:
    """The best of each other kind, and a few of the chosen kind with another stage, offload or number of nodes."""
    best, *others = ranked
    left = {best.kind: ALIKE}
    ways = {best.way}
    told = 0
    for candidate in others:
        alike = candidate.kind == best.kind
        if told == RUNNERS_UP or not left.get(candidate.kind, 1) or (alike and candidate.way in ways):
            continue
        left[candidate.kind] = left.get(candidate.kind, 1) - 1
        ways.add(candidate.way)
        told += 1
        yield candidate, _why_lost(candidate, best, settings)


def _why_lost(candidate: Candidate, best: Candidate, settings: PlanSettings) -> str:
    usd, hours = candidate.usd - best.usd, candidate.hours - best.hours
    cost = f"{abs(usd):,.2f} USD {'dearer' if usd >= 0 else 'cheaper'}"
    time = f"{abs(hours):,.1f} hours {'slower' if hours >= 0 else 'faster'}"
    first, second = (cost, time) if settings.aim == "cost" else (time, cost)
    if _order(candidate, settings)[:2] == _order(best, settings)[:2]:
        return "as cheap and as fast, but less simple"
    return f"{first}, {second}"


def _nearest(found: list[Candidate], settings: PlanSettings) -> str:
    """What deadline and budget would have to be, where they are what rules everything out."""
    if not found:
        return ""
    quick, cheap = min(found, key=lambda one: one.hours), min(found, key=lambda one: one.usd)
    return (
        f"nothing within deadline_hours {settings.deadline_hours} and budget_usd {settings.budget_usd}; the quickest "
        f"takes {quick.hours:.1f} h and {quick.usd:,.0f} USD, the cheapest {cheap.hours:.1f} h and {cheap.usd:,.0f} USD"
    )
