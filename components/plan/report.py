"""What is written of a plan: the whole of it, a table to read, and settings that train takes."""

from __future__ import annotations

import math
from typing import Any

from platen.artifacts.plan import PlannedHardware, PlannedTraining
from platen.components.plan.choice import GIB, Candidate, Choice
from platen.components.plan.memory import MASTER, ON_HOST, Layout
from platen.components.plan.prices import PriceTable
from platen.components.plan.profile import ModelFacts
from platen.components.plan.settings import PlanSettings

# From the checks in docs/planning.md; a change of the forecast means to measure again.
BANDS = {
    "memory": "-2 % to +10 % of 29 measured on CPUs, median 1 %; not checked on GPUs (docs/planning.md)",
    "time": "-10 % to +18 % of six published rates of one model on 8 to 128 A100s; not checked on other GPUs",
    "cost": "as time, with prices of the dates in the table",
}
PROCESS_GIB = 4.0  # of the host's memory that a rank takes for libraries and CUDA's context
WHOLE = 2 * MASTER  # bytes a number that the node of rank 0 takes for the base model's weights, and for the export
THREADS = 8  # a rank, where the host updates what is offloaded
COLUMNS = ("", "place", "instance", "nodes", "spot", "ZeRO", "micro x rounds", "checkpt.", "GiB", "MFU", "hours", "USD")


def plan_json(
    choice: Choice, model: ModelFacts, table: PriceTable, settings: PlanSettings, training: PlannedTraining
) -> dict[str, Any]:
    """Everything that is known of a plan."""
    return {
        "schema_version": 1,
        "model": model.summary(),
        "wanted": settings.model_dump(mode="json"),
        "chosen": choice.best.summary(),
        "runners_up": [{**other.summary(), "lost": why} for other, why in choice.runners_up],
        "ruled_out": list(choice.ruled_out),
        "looked_at": choice.looked_at,
        "prices": {"oldest": table.oldest.isoformat(), "source": choice.best.offer.source.model_dump(mode="json")},
        "error_band": BANDS,
        "train": training.section(),
    }


def planned_training(choice: Choice, model: ModelFacts, table: PriceTable, settings: PlanSettings) -> PlannedTraining:
    """The fields of `train` that a plan decides, and for which hardware; a job only where one machine is not enough."""
    best = choice.best
    memory = host_gib(best, model)
    job = {"nodes": best.nodes, "processes_per_node": best.offer.gpus, "gpu": "nvidia.com/gpu", "memory": f"{memory}Gi"}
    return PlannedTraining(
        steps=settings.steps,
        global_batch=settings.global_batch,
        precision=settings.precision,
        micro_batch=best.layout.micro_batch,
        ranks=best.layout.ranks,
        gradient_checkpointing=best.layout.checkpointing,
        zero=zero_section(best.layout),
        planned_for=PlannedHardware(
            gpu=best.offer.gpu,
            memory_gib=table.gpus[best.offer.gpu].memory_gib,
            gpus_per_node=best.offer.gpus,
            nodes=best.nodes,
            host_gib=memory,
        ),
        measure={"usd_per_gpu_hour": best.offer.rate(spot=best.spot)},
        threads=None if best.layout.offload == "none" else THREADS,
        job=job if best.nodes > 1 else None,
    )


def host_gib(best: Candidate, model: ModelFacts) -> int:
    """GiB of a node's memory that its ranks take, /dev/shm included; the processes' own part is an estimate."""
    ranks = min(best.offer.gpus, best.layout.ranks)
    return math.ceil((ranks * best.memory.on_host + WHOLE * model.parameters) / GIB + ranks * PROCESS_GIB + 1)


def zero_section(layout: Layout) -> dict[str, Any]:
    """The fields of `train.zero`."""
    section: dict[str, Any] = {"stage": layout.stage}
    if layout.offload != "none":
        section["offload_optimizer"] = "cpu"
    if layout.offload == "all":
        section["offload_parameters"] = "cpu"
    if layout.secondary:
        section |= {"secondary_partition": layout.secondary, "quantized_gradients": True}
    return section


def table_text(choice: Choice, table: PriceTable) -> str:
    """The chosen way, the runners-up with why they lost, and the chosen one's memory and step by part."""
    ways = [choice.best, *(other for other, _ in choice.runners_up)]
    rows = [COLUMNS, *(_row(number, way) for number, way in enumerate(ways))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += ["", *(f"{number}: {why}" for number, (_, why) in enumerate(choice.runners_up, 1))]
    bands = [f"error of {name}: {band}" for name, band in BANDS.items()]
    return "\n".join([*lines, "", *_parts(choice.best), _prices(choice.best, table), "", *bands])


def _row(number: int, way: Candidate) -> tuple[str, ...]:
    return (
        "chosen" if number == 0 else str(number),
        way.offer.place,
        way.offer.instance,
        str(way.nodes),
        "spot" if way.spot else "",
        f"{way.layout.stage}{'++' if way.layout.secondary else ''}"
        + ("" if way.layout.offload == "none" else f" + {way.layout.offload} offloaded"),
        f"{way.layout.micro_batch} x {way.accumulation}",
        "yes" if way.layout.checkpointing else "no",
        f"{way.memory.device / GIB:.1f}",
        f"{way.step.mfu:.0%}",
        f"{way.hours:,.1f}",
        f"{way.usd:,.2f}",
    )


def _parts(best: Candidate) -> list[str]:
    memory = {name: f"{name} {size / GIB:.2f}" for name, size in best.memory.parts().items() if size}
    here = ", ".join(told for name, told in memory.items() if name not in ON_HOST)
    there = ", ".join(memory[name] for name in ON_HOST if name in memory)
    step = ", ".join(f"{name} {took:.4f}" for name, took in best.step.parts().items() if name not in ("mfu", "seconds"))
    samples = best.layout.ranks * best.layout.micro_batch * best.accumulation / best.step.seconds
    return [
        f"memory of a rank, GiB: {here}; in the host's: {there}",
        f"a step, s: {step}; in all {best.step.seconds:.4f}; {samples:,.0f} samples/s",
        f"energy of the GPUs at most {best.energy_kwh:,.0f} kWh; moving data {best.transfer_usd:,.2f} USD",
    ]


def _prices(best: Candidate, table: PriceTable) -> str:
    source = best.offer.source
    return f"prices: {source.title}, {source.date}; the oldest of the table is of {table.oldest}"
