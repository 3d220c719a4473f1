"""One rank's part of a run: set up, go on from the newest checkpoint, train, export, report."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import deepspeed
import torch
import torch.distributed as dist

from platen.artifacts.encoded import EncodedDataset
from platen.artifacts.model import ModelRecord
from platen.artifacts.training_run import Zero
from platen.components.train.checkpoints.checkpoints import Checkpoints
from platen.components.train.checkpoints.resumable import check_resumed
from platen.components.train.data.order import build_order
from platen.components.train.job import BEGAN, CHECKPOINTS, EXPORT, RESULT, Job
from platen.components.train.measure.flops import sample_flops
from platen.components.train.measure.meter import Meter
from platen.components.train.models.denoiser import Pretrained, build_model, rank_device
from platen.components.train.models.export import export, write_scheduler
from platen.components.train.models.prepare import prepare
from platen.components.train.optimization.ema import Ema
from platen.components.train.optimization.optimizers import build_optimizer
from platen.components.train.parallel.masters import masters_of
from platen.components.train.parallel.whole import held_counts, load_masters, whole_count
from platen.components.train.parallel.zero import bundle_small_modules, engine_config, init_processes
from platen.components.train.rank.deterministic import use_deterministic_algorithms
from platen.components.train.rank.guard import Guard, Losses, watch_plain_optimizer
from platen.components.train.rank.machine import Machine, check_machine
from platen.components.train.rank.stop import StopFlag
from platen.components.train.rank.trainer import Trainer
from platen.core.manifest import Json, canonical, list_files
from platen.core.storage import is_local, join, store_for
from platen.families.registry import family_of
from platen.tasks.diffusion.objective import build_objective
from platen.tasks.diffusion.prediction_type import SCHEDULER


def run(job: Job, desk: Path) -> None:
    """Train and export; rank 0 leaves `export/` and then `result.json` in the shared place.

    Args:
        job: Its inputs are folders on this machine.
        desk: This node's folder for files on their way to or from a bucket.
    """
    trainer = build(job, desk)
    zero = Zero(
        stage=job.settings.zero.stage,
        world_size=dist.get_world_size(),
        parameters=whole_count(trainer.engine.module),
        parameters_per_rank=held_counts(trainer.checkpoints.masters),
    )
    done: Losses = (trainer.checkpoints.restore() or {"losses": []})["losses"]
    if dist.get_rank() == 0:
        check_resumed(job.shared, len(done), job.settings.must_resume)
    began = note_beginning(job.shared, len(done)) if dist.get_rank() == 0 else []
    started = time.monotonic()
    losses = trainer.train(done)
    seconds = time.monotonic() - started
    out = Path(job.shared, EXPORT) if is_local(job.shared) else desk / EXPORT
    resolution = trainer.data.record.resolution
    record = ModelRecord(family=trainer.base.family.name, resolution=(resolution, resolution))
    error = export(trainer.engine, trainer.ema, trainer.base, out, trainer.probe(), job.settings, record)
    if dist.get_rank() == 0:
        write_scheduler(trainer.objective.process.scheduler, Path(job.base), out)
        told = {"losses": losses, "began": began, "seconds": seconds, "export_error": error}
        told |= {"zero": zero.model_dump(), "measured": trainer.meter.summary().model_dump()}
        publish(out, job.shared, told)
    dist.barrier()


def note_beginning(shared: str, step: int) -> list[int]:
    """Write down after how many steps this attempt goes on; the same of all attempts so far, this one last."""
    uri = join(shared, BEGAN)
    began = [*json.loads(store_for(uri).read(uri) or b"[]"), step]
    store_for(uri).write(uri, canonical(began))
    return began


def publish(out: Path, shared: str, told: dict[str, Json]) -> None:
    """Bring the export to the shared place, then the result, which says that training is finished."""
    files = list_files(out)
    if not is_local(shared):
        for file in files:
            store_for(shared).put(out / file.path, join(shared, EXPORT, file.path))
        shutil.rmtree(out)
    result = {**told, "files": [file.model_dump() for file in files]}
    store_for(shared).write(join(shared, RESULT), canonical(result))


def build(job: Job, desk: Path) -> Trainer:
    """Everything a run is made of, in the order it depends on each other."""
    settings = job.settings
    check_machine(settings, Machine.here())
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    if settings.deterministic:
        use_deterministic_algorithms()
    data = EncodedDataset(Path(job.encoded))
    base = Pretrained(family_of(Path(job.base)), Path(job.base), with_text_encoder=data.record.text == "tokens")
    base.check()
    device = rank_device()
    init_processes()
    on_nvme = settings.zero.offload_parameters == "nvme"
    config = engine_config(settings, base.largest_parameter() if on_nvme else 0)
    state = base.weights() if dist.get_rank() == 0 else None
    model = build_model(base, config, state)
    prepare(model, base.family, settings)
    bundle_small_modules(model.network, base.family.leaf_modules, settings)
    engine, *_ = deepspeed.initialize(model=model, optimizer=build_optimizer(settings.optimizer, model), config=config)
    watch_plain_optimizer(engine.optimizer)
    masters = masters_of(engine)
    if settings.zero.stage == 0:
        masters.inner.state.clear()  # with low precision DeepSpeed has made a first update, of zeros
    if settings.precision != "fp32" and not settings.lora:
        load_masters(masters, state)
    ema = Ema(masters, settings.ema)
    uri, digest = join(job.shared, CHECKPOINTS), job.digests.get("base", "")
    checkpoints = Checkpoints(uri, desk, settings.checkpoints, settings.zero.stage, digest, masters, ema)
    order = build_order(data, settings.data.weights, settings.global_batch, settings.seed)
    schedule = json.loads((base.folder / SCHEDULER).read_bytes())
    objective = build_objective(
        settings.objective, schedule, settings.seed, settings.global_batch, flow_match=base.family.samples_flow_match
    )
    return Trainer(
        settings=settings,
        base=base,
        engine=engine,
        data=data,
        order=order,
        objective=objective,
        ema=ema,
        checkpoints=checkpoints,
        stop=StopFlag(settings.stop),
        guard=Guard(settings, job.shared, lambda step: data.keys(order.batch(step)), checkpoints.wait),
        meter=Meter(job, desk, device, lambda: sample_flops(base, data, adapters=settings.lora is not None)),
        device=device,
    )
