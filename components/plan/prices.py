"""The price table: GPUs, and who rents them out where, each figure with its source and date."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from platen.core.errors import InputError
from platen.core.settings import Settings, build, load_file, mapping

OWN = "onprem/"
DEFAULT = Path(__file__).with_name("prices.yaml")


class Source(Settings):
    """Where figures are from."""

    title: str = Field(min_length=1, description="title or address of what was read")
    date: datetime.date = Field(description="when it was read, YYYY-MM-DD")


class Gpu(Settings):
    """A kind of GPU, as its maker describes it."""

    memory_gib: float = Field(gt=0, description="memory in GiB")
    tflops: dict[Literal["fp32", "bf16", "fp16"], float] = Field(
        description="highest rate without sparsity by precision, in TFLOP/s"
    )
    link_gb_s: float = Field(gt=0, description="to the other GPUs of the node, one way, in GB/s")
    host_gb_s: float = Field(gt=0, description="to the host's memory, one way, in GB/s")
    watts: float = Field(gt=0, description="highest power of the GPU alone, in W")
    source: Source = Field(description="where the figures are from")


class Offer(Settings):
    """Nodes that can be had at a price."""

    place: str = Field(min_length=1, description="cloud and region, as aws/us-east-1, or onprem/NAME")
    instance: str = Field(min_length=1, description="the node as its vendor calls it")
    gpu: str = Field(description="a name under gpus")
    gpus: int = Field(ge=1, description="GPUs a node")
    node_gb_s: float | None = Field(None, gt=0, description="between nodes, one way, in GB/s; null: one node only")
    host_gib: float | None = Field(None, gt=0, description="the node's memory in GiB; null: not known, so no offload")
    usd_per_gpu_hour: float = Field(gt=0, description="on demand, in USD")
    spot_usd_per_gpu_hour: float | None = Field(None, gt=0, description="that can be taken away, in USD; null: none")
    egress_usd_per_gb: float | None = Field(None, ge=0, description="for data that leaves the place, USD per GB")
    source: Source = Field(description="where the price is from")

    def rate(self, *, spot: bool) -> float | None:
        """USD for a GPU and hour; None where it is not to be had so."""
        return self.spot_usd_per_gpu_hour if spot else self.usd_per_gpu_hour

    @property
    def most_nodes(self) -> int:
        """Nodes that can work together."""
        return 1 if self.node_gb_s is None else 10_000


class PriceTable(Settings):
    """All of it."""

    gpus: dict[str, Gpu] = Field(
        min_length=1, description="kinds of GPU; a name begins with the word that drivers call it by, as H100-80GB"
    )
    offers: tuple[Offer, ...] = Field(min_length=1, description="what can be had")
    egress_source: Source | None = Field(None, description="where the prices of data that leaves are from")

    @model_validator(mode="after")
    def _gpus_are_known(self) -> PriceTable:
        for offer in self.offers:
            if offer.gpu not in self.gpus:
                raise ValueError(f"{offer.instance}: GPU {offer.gpu!r} is not under gpus: {', '.join(self.gpus)}")
        return self

    @property
    def places(self) -> tuple[str, ...]:
        """Each once, sorted."""
        return tuple(sorted({offer.place for offer in self.offers}))

    @property
    def oldest(self) -> datetime.date:
        """Of the prices."""
        return min(offer.source.date for offer in self.offers)


def read_prices(path: Path | None) -> PriceTable:
    """The table of a file, or the one that comes with the package. Raises SettingsError for a fault in it."""
    file = path or DEFAULT
    return build(PriceTable, mapping(load_file(file), str(file)), str(file))


def chosen_offers(table: PriceTable, gpu: str | None, places: tuple[str, ...]) -> list[Offer]:
    """The offers to choose from: of machines of one's own only those that are named.

    Raises InputError for a GPU or place that the table does not have.
    """
    if gpu is not None and gpu not in table.gpus:
        raise InputError(f"plan.gpu {gpu!r}: not in the price table. Accepted: {', '.join(table.gpus)}")
    for place in places:
        if place not in table.places:
            raise InputError(f"plan.places: {place!r} is not in the price table. Accepted: {', '.join(table.places)}")
    wanted = places or [place for place in table.places if not place.startswith(OWN)]
    found = [offer for offer in table.offers if gpu in (None, offer.gpu) and offer.place in wanted]
    if not found:
        have = ", ".join(sorted({f"{offer.gpu} at {offer.place}" for offer in table.offers}))
        raise InputError(
            f"the price table has no {gpu or 'GPU'} at {', '.join(places) or 'any place'}. Accepted: {have}"
        )
    return found
