"""A run as the real chain leaves it: small committed folders of every stage, and their records.

The stages are real Stage objects whose work writes what the stage of that name would; only the figures are made up.
"""

from __future__ import annotations

import io
import json
import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from platen.artifacts.dataset import Drop, Row, Sample, write_shard
from platen.artifacts.decision import Decision, DecisionMetadata, RuleOutcome
from platen.artifacts.evaluation import (
    Breakdown,
    ClosestPair,
    Curve,
    Direction,
    JudgedImage,
    Metric,
    Point,
    ShareOfValue,
)
from platen.artifacts.history import TrainingHistory
from platen.artifacts.monitoring import (
    Captions,
    LimitOutcome,
    MonitoringMetadata,
    MonitoringReport,
    Prompts,
    TrafficCounts,
)
from platen.core.errors import GateRefused, PlatenError
from platen.core.manifest import Kind, sha256
from platen.core.records import refuse, run_recorded
from platen.core.settings import Settings
from platen.core.stage import Inputs, Outcome, Place, Stage
from tests.small_report import Attribute, report

COLOURS = {"red": (220, 40, 40), "green": (40, 160, 60), "blue": (40, 80, 220), "yellow": (240, 200, 40)}
SHAPES = ("circle", "square", "triangle")
GROUNDS = {"white": (245, 245, 245), "black": (15, 15, 15)}
PLANTED = {
    **{"missing_caption": 3, "http_error": 2, "body_too_large": 1, "address_refused": 2, "timed_out": 1},
    **{"empty_caption": 3, "wrong_language": 4, "caption_too_short": 2, "caption_too_long": 2},
    **{"corrupt_image": 3, "truncated_image": 3, "too_small": 2, "too_large": 1, "blank_image": 2},
    **{"exact_duplicate": 6, "near_duplicate": 6},
}
REPAIRED = {"html": 4, "email": 3, "phone": 3, "url": 3, "control_characters": 2, "exif_rotation": 5}
IN_PICTURES = ("exif_rotation",)
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)> a red circle'
STEPS = 240
CHAIN = {
    "ingest": (),
    "clean_text": ("dataset:ingest",),
    "clean_images": ("dataset:ingest",),
    "merge": ("dataset:ingest", "texts:clean_text", "images:clean_images"),
    "base": ("dataset:merge",),
    "encode": ("dataset:merge", "base:base"),
    "train": ("encoded:encode", "base:base"),
    "generate": ("model:train",),
    "evaluate": ("model:train", "dataset:merge", "encoded:encode", "generated:generate"),
    "gate": ("report:evaluate", "model:train"),
    "deploy": ("model:train", "report:evaluate", "decision:gate"),
    "monitor": ("release:deploy", "dataset:merge"),
}
KINDS: dict[str, Kind] = {
    "ingest": "dataset", "clean_text": "dataset", "clean_images": "dataset", "merge": "dataset", "base": "model",
    "encode": "encoded", "train": "model", "generate": "pictures", "deploy": "release",
}  # fmt: skip


class Knobs(Settings):
    """Settings of every stage here."""

    seed: int = 0
    verdict: str = "promote"


def draw(colour: str, shape: str, ground: str, seed: int, side: int = 64, kind: str = "PNG") -> bytes:
    """A picture of the sample world."""
    from PIL import Image, ImageDraw

    chance = random.Random(f"{colour}{shape}{ground}{seed}")
    picture = Image.new("RGB", (4 * side, 4 * side), GROUNDS[ground])
    pen, half = ImageDraw.Draw(picture), 4 * side * chance.uniform(0.22, 0.4)
    x, y = (4 * side * chance.uniform(0.45, 0.55) for _ in range(2))
    fill = tuple(max(0, min(255, part + chance.randint(-12, 12))) for part in COLOURS[colour])
    corners = [(x, y - half), (x + half, y + half), (x - half, y + half)]
    if shape == "circle":
        pen.ellipse((x - half, y - half, x + half, y + half), fill=fill)
    elif shape == "square":
        pen.rectangle((x - half, y - half, x + half, y + half), fill=fill)
    else:
        pen.polygon(corners, fill=fill)
    sink = io.BytesIO()
    picture.resize((side, side), Image.Resampling.LANCZOS).save(sink, kind)
    return sink.getvalue()


def things() -> list[tuple[str, str, str]]:
    """Every combination."""
    return [(colour, shape, ground) for colour in COLOURS for shape in SHAPES for ground in GROUNDS]


def metric(
    value: float | None, low: float | None, high: float | None, n: int, way: Direction, note: str = ""
) -> Metric:
    return Metric(value=value, low=low, high=high, n=n, unit="", direction=way, note=note)


def merge(settings: Knobs, inputs: Inputs, place: Place) -> Outcome:
    samples = []
    for number, (colour, shape, ground) in enumerate(things() * 2):
        key = sha256(str(number).encode())[:16]
        caption = HOSTILE if number == 0 else f"a {colour} {shape} on a {ground} background"
        row = Row(key=key, caption=caption, extension="jpg", split="validation" if number % 8 == 7 else "train")
        samples.append(Sample(row, draw(colour, shape, ground, number, kind="JPEG")))
    drops = []
    for reason, count in PLANTED.items():
        for number in range(count):
            key = sha256(f"{reason}{number}".encode())[:16]
            details = {"exact_duplicate": "same bytes as 0123456789abcdef", "too_small": "12 x 9 pixels, below 32 x 32"}
            caption = {"empty_caption": "", "wrong_language": "ein roter Kreis auf weißem Grund"}.get(
                reason, f"a green square on a black background {HOSTILE if number else ''}"
            )
            drops.append(Drop(key, reason, details.get(reason, ""), f"pictures/{key}.png", caption))
            if reason in ("too_small", "blank_image", "exact_duplicate", "near_duplicate", "wrong_language"):
                example = place.out / "examples" / reason / f"{key}.jpg"
                example.parent.mkdir(parents=True, exist_ok=True)
                example.write_bytes(draw("green", "square", "black", number, side=128, kind="JPEG"))
    write_shard(place.out, "00000", samples, drops)
    return Outcome(
        counts={"samples": len(samples)},
        dropped=PLANTED,
        licences={"CC-BY-4.0": 40, "unknown": 8},
        facts={"resolution": 64, "splits": {"train": 42, "validation": 6}},
    )


def train(settings: Knobs, inputs: Inputs, place: Place) -> Outcome:
    chance = random.Random(settings.seed)
    losses = [0.12 + 0.95 * math.exp(-step / 45) + chance.gauss(0, 0.045) for step in range(STEPS)]
    rates = [1e-3 * min(1, step / 30) * 0.5 * (1 + math.cos(math.pi * step / STEPS)) for step in range(STEPS)]
    TrainingHistory(loss=[*losses], learning_rate=rates).write(place.out)
    measured = {
        "attempts": 2,
        "goodput": 0.75,
        "mfu": None,
        "shares": {"compute": 0.9, "data": 0.01, "communication": 0.08, "checkpoint": 0.01},
        "memory_bytes": {"parameters": 8 << 20, "activations": 96 << 20},
        "cost_usd": None,
        "stragglers": [{"rank": 1, "node": "node-7", "part": "data", "windows": 4}],
    }
    zero = {"stage": 3, "world_size": 2, "parameters_per_rank": [1_031_204, 1_031_203], "parameters": 2_062_407}
    place.observe(samples_per_second=187.3, zero=zero, measured=measured)
    facts = {"resolution": 64, "steps": STEPS, "first_loss": losses[0], "last_loss": sum(losses[-50:]) / 50}
    return Outcome(counts={"steps": STEPS}, facts=facts)


def generate(settings: Knobs, inputs: Inputs, place: Place) -> Outcome:
    asked = [(f"a {c} {s} on a {g} background", "grid", (c, s, g)) for c, s, g in things() for _ in range(2)]
    colours = list(COLOURS)
    asked += [
        (f"a {s} on a {g} background", "neutral", (colours[n % 4], s, g))
        for s in SHAPES
        for g in GROUNDS
        for n in range(8)
    ]
    asked.append((HOSTILE, "own", ("red", "circle", "white")))
    (place.out / "pictures").mkdir()
    lines = []
    for number, (prompt, group, (colour, shape, ground)) in enumerate(asked):
        file = f"pictures/{number:05d}.png"
        (place.out / file).write_bytes(draw(colour, shape, ground, 1000 + number))
        lines.append(json.dumps({"file": file, "prompt": prompt, "seed": number, "group": group}))
    (place.out / "index.jsonl").write_text("\n".join(lines) + "\n")
    return Outcome(counts={"pictures": len(asked)})


def evaluate(settings: Knobs, inputs: Inputs, place: Place) -> Outcome:
    (place.out / "closest").mkdir()
    closest = []
    for number in range(4):
        ours, theirs = f"closest/{number:02d}-generated.png", f"closest/{number:02d}-training.jpg"
        (place.out / ours).write_bytes(draw("blue", "circle", "white", number))
        (place.out / theirs).write_bytes(draw("blue", "circle", "white", 50 + number, kind="JPEG"))
        pair = ClosestPair(
            generated=ours, training=theirs, file="pictures/00001.png", key="0123456789abcdef",
            prompt="a blue circle on a white background", caption=HOSTILE,
            distance=0.0009 * (number + 1), memorised=number == 0,
        )  # fmt: skip
        closest.append(pair)
    counts = {"red": 9, "green": 4, "blue": 8, "yellow": 1}
    bounds = {"red": (0.23, 0.61), "green": (0.07, 0.39), "blue": (0.2, 0.57), "yellow": (0.01, 0.22)}
    colors = [ShareOfValue(value=name, count=n, reference=0.25) for name, n in counts.items()]
    shares = {f"values.{name}.share": metric(n / 22, *bounds[name], 22, "none") for name, n in counts.items()}
    nothing = metric(None, None, None, 3, "none", "insufficient data: 3 of at least 20")
    shapes = [ShareOfValue(value=name, count=1, reference=1 / 3) for name in SHAPES]
    losses = {125.0: 0.41, 375.0: 0.2, 625.0: 0.13, 875.0: 0.1}
    levels = [Point(place=timestep, value=value) for timestep, value in losses.items()]
    report(
        model=inputs["model"].digest,
        held_out_loss=metric(0.2113, 0.2034, 0.2192, 200, "lower", "v_prediction, 4 noise levels a picture"),
        curves={"held_out_loss": Curve(title="Held-out loss by timestep", across="timestep", points=levels)},
        fid=metric(3.21, 2.5, 3.9, 120, "lower", "biased upwards at this n; jackknife estimate of the bias: 0.8"),
        kid=metric(0.012, 0.006, 0.018, 120, "lower", "20 subsets of 60"),
        clip_score=metric(71.3, 70.2, 72.4, 120, "higher"),
        clip_score_real=metric(74.0, 73.1, 74.9, 200, "none", "held-out pictures and their own captions"),
        retrieval_accuracy=metric(0.93, 0.86, 0.97, 96, "higher", "24 prompts; chance is 0.0417"),
        metrics={"memorised.share": metric(0.01, 0.0, 0.06, 120, "lower"), "memorised.baseline": nothing},
        closest=closest,
        bias={
            "colour": Attribute(
                Breakdown(
                    title="colour",
                    prompts=[f"a {shape} on a {ground} background" for shape in SHAPES for ground in GROUNDS],
                    values=colors,
                ),
                {
                    "distance": metric(0.27, 0.15, 0.44, 22, "lower", "a model without bias would show 0.12 at this n"),
                    "abstained": metric(0.08, 0.02, 0.26, 24, "lower"),
                    "judge_accuracy": metric(0.99, 0.97, 1.0, 200, "higher", "on held-out pictures"),
                    **shares,
                },
            ),
            "shape": Attribute(
                Breakdown(title="shape", prompts=[], values=shapes),
                dict.fromkeys(("distance", "abstained", "judge_accuracy"), nothing)
                | {f"values.{name}.share": nothing for name in SHAPES},
            ),
        },
        pictures=[
            JudgedImage(
                file=f"pictures/{n:05d}.png", prompt="", seed=n, group="grid", clip_score=70.0, best_prompt="",
                retrieved=n not in (11, 30, 41),
            )
            for n in range(48)
        ],
    ).write(place.out)  # fmt: skip
    return Outcome(facts={"fid": 3.21})


def rule(name: str, way: Literal["at_least", "at_most"], limit: float, value: float, bound: float) -> RuleOutcome:
    passed = bound >= limit if way == "at_least" else bound <= limit
    end, where = "low" if way == "at_least" else "high", "within" if passed else "beyond"
    return RuleOutcome(
        name=f"{name} {way} {limit}", metric=name, direction=way, against="absolute", required=True,
        value=value, bound=bound, limit=limit, passed=passed,
        reason=f"{bound} ({end} end of its interval) is {where} the limit {limit}",
    )  # fmt: skip


def gate(settings: Knobs, inputs: Inputs, place: Place) -> Outcome:
    first = {"against": "champion", "limit": None, "passed": True, "reason": "no champion is live"}
    rules = [
        rule("retrieval_accuracy", "at_least", 0.8 if settings.verdict == "promote" else 0.99, 0.93, 0.86),
        rule("fid", "at_most", 6.0, 3.21, 3.9),
        rule("memorised.share", "at_most", 0.1, 0.01, 0.06),
        rule("held_out_loss", "at_most", 1.0, 0.2113, 0.2192).model_copy(update=first),
    ]
    reasons = [f"{outcome.metric}: {outcome.reason}" for outcome in rules if not outcome.passed]
    said = DecisionMetadata.model_validate({"verdict": settings.verdict, "reasons": reasons})
    digests = {name: inputs[name].digest for name in ("model", "report")}
    Decision(verdict=said.verdict, reasons=reasons, champion=None, rules=rules, **digests).write(place.out)
    return Outcome(facts=said.facts())


def watched_report(verdict: str, reasons: list[str], model: str) -> MonitoringReport:
    drift = LimitOutcome(
        name="prompt_drift", value=0.08, interval=(0.05, 0.12), bound=0.05, limit=0.2, n=37, exceeded=False
    )
    unknown = LimitOutcome(
        name="p95_latency_seconds", value="insufficient data", interval=None, bound=None, limit=2.0, n=3, exceeded=False
    )
    said = MonitoringMetadata.model_validate({"verdict": verdict, "reasons": reasons})
    return MonitoringReport(
        verdict=said.verdict,
        reasons=reasons,
        rules=[drift, unknown],
        model=model,
        traffic=TrafficCounts(
            requests=37, pictures=74, by_status={"200": 36, "400": 1}, unreadable_lines=0, ignored=0, older=0,
            first=None, last=None,
        ),
        latency_seconds={"p50": 0.41, "p95": 0.93},
        prompts=Prompts(count=36, distinct=30, words_median=7, words_max=12),
        captions=Captions(words=300, vocabulary=40),
    )  # fmt: skip


def monitor(settings: Knobs, inputs: Inputs, place: Place) -> Outcome:
    written = watched_report("keep", ["every measure is within its limit"], inputs["release"].digest)
    written.write(place.out)
    return Outcome(facts=MonitoringMetadata(verdict=written.verdict, reasons=written.reasons).facts())


def look_at_live(settings: Knobs, inputs: Inputs, place: Place) -> Outcome:
    reasons = {"retrain": ["drift 0.41 is above 0.2"]}.get(settings.verdict, ["every measure is within its limit"])
    written = watched_report(settings.verdict, reasons, "a" * 64)
    written.write(place.out)
    return Outcome(facts=MonitoringMetadata(verdict=written.verdict, reasons=reasons).facts())


def plain(name: str) -> Callable[[Knobs, Inputs, Place], Outcome]:
    counts = {"clean_text": {f"repaired_{n}": c for n, c in REPAIRED.items() if n not in IN_PICTURES}}
    counts["clean_images"] = {f"repaired_{n}": REPAIRED[n] for n in IN_PICTURES}

    def work(settings: Knobs, inputs: Inputs, place: Place) -> Outcome:
        (place.out / "what.txt").write_text(name)
        return Outcome(counts=counts.get(name, {}))

    return work


WORK: Mapping[str, Callable[[Knobs, Inputs, Place], Outcome]] = {
    "merge": merge, "train": train, "generate": generate, "evaluate": evaluate, "gate": gate, "monitor": monitor,
}  # fmt: skip


def stage(name: str, error: PlatenError | None = None) -> Stage[Knobs]:
    """The stage of that name; one that raises where an error is given."""

    def fail(settings: Knobs, inputs: Inputs, place: Place) -> Outcome:
        assert error is not None
        raise error

    sources = (entry.partition(":") for entry in CHAIN[name])
    roles = {role: KINDS.get(source, "report") for role, _, source in sources}
    work = fail if error else WORK.get(name, plain(name))
    return Stage(name, 1, KINDS.get(name, "report"), Knobs, roles, work)


def run_chain(
    root: Path,
    last: str = "monitor",
    error: PlatenError | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    watched: str | None = None,
) -> tuple[str, str, str]:
    """Run the chain up to a stage, which raises where an error is given; (settings, workspace, run).

    A `watched` run is a retraining: it begins with a monitor of its own, and goes on where that says `retrain`.
    A gate that rejects ends the run like the real one: its decision is committed, and its record is a failed one.
    """
    truth = root / "truth.json"
    truth.write_text(json.dumps({"planted": PLANTED, "repaired": REPAIRED, "clean": 48}))
    text = json.dumps({"notify": {"truth": str(truth)}, **(settings or {})})
    workspace, run = str(root / "workspace"), str(root / "runs" / "demo")
    if watched:
        live = Stage("monitor", 1, "report", Knobs, {}, look_at_live)
        run_recorded(live, json.dumps({"monitor": {"verdict": watched}}), {}, workspace, run, "monitor_live")
        if watched != "retrain":
            return text, workspace, run
    uris: dict[str, str] = {}
    for name, sources in CHAIN.items():
        inputs = {role: uris[source] for role, _, source in (entry.partition(":") for entry in sources)}
        fault = error if name == last else None
        try:
            result = run_recorded(stage(name, fault), text, inputs, workspace, run)
        except PlatenError:
            break
        uris[name] = result.folder.uri
        if name == "gate" and result.folder.manifest.facts["verdict"] == "reject":
            reasons = "; ".join(result.folder.manifest.facts["reasons"])
            refuse(run, "gate", GateRefused(f"the model is not promoted: {reasons}"))
            break
        if name == last:
            break
    return text, workspace, run
