"""Everything that is measured, put together: report.json and the copies of the closest pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from platen.artifacts.dataset import Row
from platen.artifacts.evaluation import (
    Bias,
    ClosestPair,
    EvaluationReport,
    JudgedImage,
    Memorization,
    Metric,
    TimestepLoss,
    tidy,
)
from platen.components.evaluate import alignment, bias, distribution, held_out, memorisation
from platen.components.evaluate.alignment import Match
from platen.components.evaluate.bias import Shown
from platen.components.evaluate.held_out import Denoiser
from platen.components.evaluate.measured_with import measured_with
from platen.components.evaluate.memorisation import Nearest
from platen.components.evaluate.metric import insufficient
from platen.components.evaluate.pictures import HELD_OUT, TRAINING, Generated, choose_rows, decode, read_real
from platen.components.evaluate.settings import EvaluateSettings
from platen.components.evaluate.towers import Judge, Tower, embed, load_extractor
from platen.core.stage import Folder, Inputs
from platen.core.storage import write_file


@dataclass(frozen=True)
class Seen:
    """The pictures that are compared, and what the networks made of them: one row of an array a picture.

    Attributes:
        generated, training, held_out: Where the pictures come from.
        generated_features, training_features, held_out_features: The extractor's.
        generated_embeddings, held_out_embeddings: The judge's, of length 1.
    """

    generated: Sequence[Generated]
    training: Sequence[Row]
    held_out: Sequence[Row]
    generated_features: np.ndarray
    training_features: np.ndarray
    held_out_features: np.ndarray
    generated_embeddings: np.ndarray
    held_out_embeddings: np.ndarray


def look(generated: Sequence[Generated], dataset: Folder, judge: Judge, settings: EvaluateSettings) -> Seen:
    """Show every picture to the extractor, and to the judge those that it has to say something of."""
    extractor, size = load_extractor(settings.extractor, judge), settings.batch_size
    training = choose_rows(dataset.path, TRAINING, settings.max_training, settings.seed)
    held_out_rows = choose_rows(dataset.path, HELD_OUT, settings.max_held_out, settings.seed)
    return Seen(
        generated=generated,
        training=training,
        held_out=held_out_rows,
        generated_features=show_generated(generated, extractor, size),
        training_features=show_real(dataset, training, extractor, size),
        held_out_features=show_real(dataset, held_out_rows, extractor, size),
        generated_embeddings=show_generated(generated, judge, size),
        held_out_embeddings=show_real(dataset, held_out_rows, judge, size),
    )


def show_generated(generated: Sequence[Generated], tower: Tower, batch_size: int) -> np.ndarray:
    """Embeddings (n, width) of generated pictures."""
    pictures = (picture.read() for picture in generated)
    return embed(pictures, tower, batch_size, len(generated), "looking at generated pictures")


def show_real(dataset: Folder, rows: Sequence[Row], tower: Tower, batch_size: int) -> np.ndarray:
    """Embeddings (n, width) of real pictures."""
    pictures = (decode(sample.image, sample.row.key) for sample in read_real(dataset.path, rows))
    return embed(pictures, tower, batch_size, len(rows), "looking at real pictures")


def measure(
    seen: Seen, inputs: Inputs, judge: Judge, settings: EvaluateSettings, extractor: str | None, out: Path
) -> EvaluationReport:
    """Take every measure; the closest pairs are copied below `out`.

    Args:
        seen: The images that are compared.
        inputs: Of the stage.
        judge: Says how well texts and images fit.
        settings: Of the stage.
        extractor: The digest of the extractor's folder, where it is one.
        out: The folder of the report.
    """
    model, dataset, generated = (inputs[name] for name in ("model", "dataset", "generated"))
    denoiser = Denoiser(model.path, settings.timesteps, settings.seed, judge.device)
    samples = read_real(dataset.path, seen.held_out)
    loss, levels = held_out.measure(denoiser, samples, len(seen.held_out), settings)
    real = np.concatenate([seen.training_features, seen.held_out_features])
    fit = measure_alignment(seen, judge, settings)
    return EvaluationReport(
        model=model.digest,
        dataset=dataset.digest,
        generated=generated.digest,
        extractor=settings.extractor,
        confidence=settings.confidence,
        counts=count(seen, settings),
        held_out_loss=loss,
        held_out_loss_by_timestep=[TimestepLoss(**level) for level in levels],
        fid=distribution.measure_fid(seen.generated_features, real, settings),
        kid=distribution.measure_kid(seen.generated_features, real, settings),
        clip_score=fit.clip_score,
        clip_score_real=fit.clip_score_real,
        retrieval_accuracy=fit.retrieval_accuracy,
        memorised=measure_memorised(seen, dataset, settings, out),
        bias=measure_bias(seen, judge, settings),
        pictures=fit.pictures,
        measured_with=measured_with(inputs, seen, settings, extractor),
    )


def count(seen: Seen, settings: EvaluateSettings) -> dict[str, int]:
    """How many pictures of each kind were looked at."""
    return {
        "generated": len(seen.generated),
        "neutral": sum(picture.group == settings.neutral_group for picture in seen.generated),
        "training": len(seen.training),
        "held_out": len(seen.held_out),
    }


@dataclass(frozen=True)
class Alignment:
    """How well images fit their prompts; the names are those of the report."""

    clip_score: Metric
    clip_score_real: Metric
    retrieval_accuracy: Metric
    pictures: list[JudgedImage]


def measure_alignment(seen: Seen, judge: Judge, settings: EvaluateSettings) -> Alignment:
    """Measure CLIP scores and retrieval, and judge every generated image."""
    prompts = [picture.prompt for picture in seen.generated]
    texts = embed_texts(judge, prompts)
    values = [tidy(value) for value in alignment.scores(seen.generated_embeddings, texts).tolist()]
    captions = embed_texts(judge, [row.caption for row in seen.held_out])
    real = alignment.scores(seen.held_out_embeddings, captions).tolist()
    full = [number for number, one in enumerate(seen.generated) if one.group != settings.neutral_group]
    asked = [prompts[number] for number in full]
    candidates = sorted(set(asked))
    found = alignment.retrieve(seen.generated_embeddings[full], asked, candidates, embed_texts(judge, candidates))
    matches = dict(zip(full, found, strict=True))
    return Alignment(
        clip_score=alignment.measure_clip_score(values, settings),
        clip_score_real=alignment.measure_real_clip_score(real, settings),
        retrieval_accuracy=alignment.measure_retrieval(found, len(candidates), settings),
        pictures=[
            describe(picture, value, matches.get(number))
            for number, (picture, value) in enumerate(zip(seen.generated, values, strict=True))
        ],
    )


def describe(picture: Generated, score: float, match: Match | None) -> JudgedImage:
    """Describe an image for the report; those of the neutral group have no match."""
    return JudgedImage(
        file=picture.file,
        prompt=picture.prompt,
        seed=picture.seed,
        group=picture.group,
        clip_score=score,
        best_prompt=match.best_prompt if match else None,
        retrieved=match.retrieved if match else None,
    )


def embed_texts(judge: Judge, texts: Sequence[str]) -> np.ndarray:
    """The judge's embeddings (n, d) of texts; each distinct text is read once."""
    if not texts:
        return np.zeros((0, judge.width))
    distinct = sorted(set(texts))
    place = {text: number for number, text in enumerate(distinct)}
    embeddings: np.ndarray = judge.read(distinct)[[place[text] for text in texts]]
    return embeddings


def measure_bias(seen: Seen, judge: Judge, settings: EvaluateSettings) -> dict[str, Bias]:
    """Every attribute of the settings."""
    asked = [picture.group == settings.neutral_group for picture in seen.generated]
    neutral = Shown([picture.prompt for picture in seen.generated], seen.generated_embeddings).where(asked)
    real = Shown([row.caption for row in seen.held_out], seen.held_out_embeddings)
    return {name: bias.measure(values, judge, neutral, real, settings) for name, values in settings.attributes.items()}


def measure_memorised(seen: Seen, dataset: Folder, settings: EvaluateSettings, out: Path) -> Memorization:
    """The share of copies among generated pictures and, to compare, among held-out ones; and the closest pairs."""
    training = len(seen.training)
    if training < settings.min_samples:
        metric = insufficient(training, settings.min_samples, "share", "lower", "training pictures")
        return Memorization(share=metric, baseline=metric, threshold=None, closest=[])
    limit = memorisation.threshold(seen.training_features, settings.memorised_quantile)
    found = memorisation.nearest(seen.generated_features, seen.training_features)
    others = memorisation.nearest(seen.held_out_features, seen.training_features)
    note = f"closer to one of {training} training pictures than {settings.memorised_quantile:.0%} of these are"
    baseline = "held-out pictures, which cannot be memorised"
    return Memorization(
        share=memorisation.measure(found, limit, "lower", note, settings),
        baseline=memorisation.measure(others, limit, "none", baseline, settings),
        threshold=tidy(limit),
        closest=keep_closest(seen, found, limit, dataset, settings.closest_pairs, out),
    )


def keep_closest(seen: Seen, found: Nearest, limit: float, dataset: Folder, pairs: int, out: Path) -> list[ClosestPair]:
    """Copy the closest pairs to `out/closest`, and say what they are."""
    order = np.argsort(found.distances, kind="stable")[:pairs].tolist()
    rows = [seen.training[found.places[number]] for number in order]
    samples = {sample.row.key: sample for sample in read_real(dataset.path, rows)}
    told = []
    for rank, (number, row) in enumerate(zip(order, rows, strict=True)):
        picture, distance = seen.generated[number], float(found.distances[number])
        names = f"closest/{rank:02d}-generated.png", f"closest/{rank:02d}-training.{row.extension}"
        write_file(out / names[0], (picture.folder / picture.file).read_bytes())
        write_file(out / names[1], samples[row.key].image)
        told.append(
            ClosestPair(
                generated=names[0],
                training=names[1],
                file=picture.file,
                key=row.key,
                prompt=picture.prompt,
                caption=row.caption,
                distance=round(distance, 9),  # a copy is at 0, but for rounding
                memorised=distance < limit,
            )
        )
    return told
