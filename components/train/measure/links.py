"""How fast each two ranks reach each other, and which of these links are slow.

Within a step a slow link cannot be told from a slow rank: a collective ends everywhere when its slowest part does. So
the links are tried one by one before the first step, as many at once as have no rank in common.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import torch
import torch.distributed as dist

Pair = tuple[int, int]

SLOW = 0.5  # of the median of links alike
FEW = 3  # links alike, below which a median says nothing
MIB = 2**20


@dataclass(frozen=True)
class Link:
    """Two ranks, the bytes a second that went each way, and the median of links alike."""

    ranks: Pair
    rate: float
    median: float


def slow_links(rates: Mapping[Pair, float], nodes: Sequence[str]) -> list[Link]:
    """Links at less than half of the median of those alike: within nodes, or between them."""
    found = []
    for within in (True, False):
        alike = {pair: rate for pair, rate in rates.items() if (nodes[pair[0]] == nodes[pair[1]]) == within}
        if len(alike) >= FEW:
            usual = median(alike.values())
            found += [Link(pair, rate, usual) for pair, rate in sorted(alike.items()) if rate < SLOW * usual]
    return found


def probe_links(mib: int, device: torch.device) -> dict[Pair, float]:
    """Bytes a second each way of each two ranks, on every rank. Collective."""
    rank, sent = dist.get_rank(), torch.zeros(mib * MIB, dtype=torch.uint8, device=device)
    received = torch.empty_like(sent)
    mine: dict[Pair, float] = {}
    for pairs in rounds(dist.get_world_size()):
        dist.barrier()
        for pair in pairs:
            if rank in pair:
                exchange(sent[:1], received[:1], sum(pair) - rank)  # the first message makes the connection
                mine[pair] = len(sent) / exchange(sent, received, sum(pair) - rank)
    every: list[dict[Pair, float]] = [{}] * dist.get_world_size()
    dist.all_gather_object(every, mine)
    return {pair: min(of[pair] for of in every if pair in of) for of in every for pair in of}


def exchange(sent: torch.Tensor, received: torch.Tensor, other: int) -> float:
    """Seconds to send and to receive at once."""
    started = time.perf_counter()
    operations = [dist.P2POp(dist.isend, sent, other), dist.P2POp(dist.irecv, received, other)]
    for work in dist.batch_isend_irecv(operations):
        work.wait()
    if received.is_cuda:
        torch.cuda.synchronize(received.device)
    return time.perf_counter() - started


def rounds(ranks: int) -> Iterator[list[Pair]]:
    """Every pair once, in rounds of pairs that have no rank in common: a tournament (the circle method)."""
    places: list[int | None] = [*range(ranks), *([None] if ranks % 2 else [])]
    for _ in range(len(places) - 1):
        half = len(places) // 2
        against = zip(places[:half], reversed(places[half:]), strict=True)
        yield [(min(a, b), max(a, b)) for a, b in against if a is not None and b is not None]
        places = [places[0], places[-1], *places[1:-1]]
