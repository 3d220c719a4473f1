"""plan: what is to be trained in, the best way to train it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from platen.artifacts.dataset import Split
from platen.artifacts.metadata import EncodedMetadata, ModelMetadata
from platen.components.plan.choice import choose
from platen.components.plan.known import ProfileSettings, known_profile
from platen.components.plan.prices import DEFAULT, read_prices
from platen.components.plan.profile import read_config
from platen.components.plan.report import plan_json, planned_training, table_text
from platen.components.plan.settings import PlanSettings
from platen.core.errors import InputError, SettingsError
from platen.core.manifest import Json, canonical, sha256, sha256_of
from platen.core.stage import Inputs, Outcome, Place, Stage
from platen.core.storage import write_file
from platen.core.telemetry import log
from platen.families.registry import family_of_network

PLAN, TABLE = "plan.json", "plan.txt"


@dataclass(frozen=True)
class Subject:
    """Describe what to train: a network's configuration, the side of its latents, tokens of a caption, samples."""

    config: dict[str, Any]
    side: int
    tokens: int
    samples: int | None


def plan(settings: PlanSettings, inputs: Inputs, place: Place) -> Outcome:
    """Look at every way, write the best as plan.json, plan.txt and train.yaml; nothing where no plan is asked for."""
    if not settings.use:
        log.info("plan: none is asked for (plan.use is false); train has its own settings")
        return Outcome()
    check_captions(inputs)
    table = read_prices(settings.prices)
    subject = read_subject(settings, inputs)
    check_batch(settings, subject.samples)
    wanted = ProfileSettings(
        config=subject.config, side=subject.side, tokens=subject.tokens, precision=settings.precision
    )
    model = known_profile(wanted, place.workspace)
    choice = choose(model, table, subject.samples, settings)
    training = planned_training(choice, model, table, settings)
    written = plan_json(choice, model, table, settings, training)
    write_file(place.out / PLAN, canonical(written, indent=1))
    write_file(place.out / TABLE, table_text(choice, table).encode() + b"\n")
    write_file(place.out / training.FILE, training.encode())
    log.info("plan: %d ways looked at, %.1f hours, %.2f USD", choice.looked_at, choice.best.hours, choice.best.usd)
    return Outcome(
        counts={"looked_at": choice.looked_at, "parameters": model.parameters},
        facts={name: written["chosen"][name] for name in ("place", "instance", "nodes", "ranks", "hours", "usd")},
    )


def read_outside(settings: PlanSettings, inputs: Inputs, workspace: str) -> Mapping[str, Json]:
    """Digests of the price table and, where it is no input, of the model's configuration."""
    prices = settings.prices or DEFAULT
    read_prices(settings.prices)
    model = None if settings.model is None else sha256(canonical(read_config(settings.model)))
    return {"prices": sha256_of(prices), "model": model}


def read_subject(settings: PlanSettings, inputs: Inputs) -> Subject:
    """From the settings, and from the inputs what they leave open. Raises SettingsError where neither says it."""
    folder = settings.model or (inputs["base"].part("*/config.json") if "base" in inputs else None)
    if folder is None:
        raise SettingsError("plan.model", "not set", "a network's config.json, a diffusers folder, or --input base=URI")
    resolution = settings.resolution or _resolution(inputs)
    if resolution is None:
        raise SettingsError("plan.resolution", "not set", "pixels; or --input base=URI or encoded=URI, which say it")
    config = read_config(folder)
    family = family_of_network(config, folder)
    pixels = family.latent_scale(folder) if (folder / "vae").is_dir() else settings.pixels_per_latent
    if resolution % pixels:
        raise SettingsError("plan.resolution", f"{resolution}", f"a multiple of the {pixels} pixels of a latent")
    tokens = settings.caption_tokens or family.caption_tokens(folder)
    return Subject(config, resolution // pixels, tokens, settings.samples or _samples(inputs))


def check_captions(inputs: Inputs) -> None:
    """Raise SettingsError where the text encoder is to be trained too: it is not forecast."""
    if "encoded" in inputs and EncodedMetadata.of(inputs["encoded"]).text == "tokens":
        problem = f"tokens, as {inputs['encoded'].uri} has: the text encoder is trained too, which is not planned for"
        raise SettingsError("encode.text", problem, "embeddings; or plan.use: false")


def check_batch(settings: PlanSettings, samples: int | None) -> None:
    """Raise SettingsError for a batch or a number of GPUs that cannot work, before anything is computed."""
    if samples is not None and settings.global_batch > samples:
        problem = f"{settings.global_batch}, with {samples} samples: one would be in a batch twice"
        raise SettingsError("plan.global_batch", problem, f"at most {samples}")
    if settings.gpus is None:
        return
    if settings.global_batch % settings.gpus:
        accepted = [n for n in range(1, settings.global_batch + 1) if settings.global_batch % n == 0]
        near = sorted(accepted, key=lambda n: abs(n - (settings.gpus or 0)))[:3]
        problem = f"{settings.global_batch} is not divisible by gpus {settings.gpus}"
        raise SettingsError("plan.global_batch", problem, f"a multiple of it, or gpus {', '.join(map(str, near))}")
    if samples is not None and settings.gpus > samples:
        raise SettingsError("plan.gpus", f"{settings.gpus}, with {samples} samples", f"at most {samples}")


def _resolution(inputs: Inputs) -> int | None:
    if "base" in inputs:
        return ModelMetadata.of(inputs["base"]).resolution
    return EncodedMetadata.of(inputs["encoded"]).resolution if "encoded" in inputs else None


def _samples(inputs: Inputs) -> int | None:
    """Those of the training split of `encoded`."""
    if "encoded" not in inputs:
        return None
    found = EncodedMetadata.of(inputs["encoded"]).splits.get(Split.TRAIN, 0)
    if not found:
        uri = inputs["encoded"].uri
        raise InputError(f"{uri}: no sample in the split '{Split.TRAIN}'; see merge.split in the settings")
    return found


STAGE = Stage(
    name="plan",
    version=2,
    kind="report",
    settings=PlanSettings,
    inputs={},
    optional_inputs={"base": "model", "encoded": "encoded"},
    work=plan,
    outside=read_outside,
)
