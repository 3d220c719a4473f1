"""Entry point of a training process: what torchrun starts on this machine, and what a PyTorchJob starts on a cluster.

torchrun --nproc-per-node 2 -m platen.components.train.main JOB.json
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path

import deepspeed
import torch
import torch.distributed as dist
from diffusers import DDPMScheduler
from pydantic import BaseModel

from platen.components.train.data import Encoded, Order
from platen.components.train.ema import Ema
from platen.components.train.export import export
from platen.components.train.model import build_partitioned, check_base, rank_device
from platen.components.train.objective import Objective
from platen.components.train.settings import TrainSettings
from platen.components.train.trainer import Trainer
from platen.components.train.zero import bundle_small_modules, engine_config, held_counts, init_processes, whole_count
from platen.errors import PlatenError, ProcessError
from platen.manifest import canonical
from platen.processes import die_with_parent
from platen.storage import write_file
from platen.telemetry import log, set_up_logging


class Job(BaseModel):
    """What one training run reads and writes. `work` keeps checkpoints, then `export/` and `result.json`."""

    settings: TrainSettings
    encoded: Path
    base: Path
    work: Path


def main(path: str) -> None:
    """Set up, train, export, report."""
    die_with_parent()
    set_up_logging()
    job = Job.model_validate_json(Path(path).read_bytes())
    try:
        run(job)
    except PlatenError as error:
        leave_error(job.work, type(error).__name__, str(error))
        sys.exit(error.exit_code)
    except Exception as error:
        said = "".join(traceback.format_exception(error))
        leave_error(job.work, ProcessError.__name__, f"rank {os.environ.get('RANK', '?')} failed:\n{said}")
        raise
    leave()


def leave() -> None:
    """End a rank that is done, without the libraries' teardown: gloo's can abort the slower of two finished ranks."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def leave_error(work: Path, kind: str, message: str) -> None:
    """Leave a rank's error for whoever started the run: torchrun tells neither its class nor its words.

    The first one counts: the other ranks then fail for having lost a peer.
    """
    if not (work / "error.json").exists():
        write_file(work / "error.json", json.dumps({"type": kind, "message": message}).encode())
    log.error("%s", message)


def run(job: Job) -> None:
    """One rank's part of a run."""
    trainer = build(job)
    zero = {
        "stage": 3,
        "world_size": dist.get_world_size(),
        "parameters": whole_count(trainer.engine.module),
        "parameters_per_rank": held_counts(trainer.engine.module),
    }
    started = time.monotonic()
    losses = trainer.train()
    seconds = time.monotonic() - started
    error = export(trainer.engine, trainer.ema, job.base, job.work / "export", trainer.probe(), job.settings.precision)
    if dist.get_rank() == 0:
        result = {"zero": zero, "losses": losses, "seconds": seconds, "export_error": error}
        write_file(job.work / "result.json", canonical(result))
    dist.barrier()


def build(job: Job) -> Trainer:
    """Everything a run is made of, in the order it depends on each other."""
    settings = job.settings
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    data = Encoded(job.encoded)
    trains_text = data.unconditional.ndim == 1
    check_base(job.base, with_text_encoder=trains_text)
    device = rank_device()
    init_processes()
    config = engine_config(settings)
    model = build_partitioned(job.base, config, with_text_encoder=trains_text)
    if settings.gradient_checkpointing:
        model.unet.enable_gradient_checkpointing()  # type: ignore[operator]
    bundle_small_modules(model)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=settings.weight_decay
    )
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)
    schedule = DDPMScheduler.from_pretrained(job.base / "scheduler")
    return Trainer(
        settings=settings,
        engine=engine,
        data=data,
        order=Order(len(data), settings.global_batch, settings.seed),
        objective=Objective(
            schedule, settings.seed, settings.min_snr_gamma, settings.drop_caption, settings.global_batch
        ),
        ema=Ema(engine, settings.ema_decay, warmup=settings.ema_warmup),
        checkpoints=job.work / "checkpoints",
        device=device,
    )


if __name__ == "__main__":
    main(sys.argv[1])
