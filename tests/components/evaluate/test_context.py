from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from platen.artifacts.dataset import Row
from platen.components.evaluate.context import NEEDS, Context, Seen
from platen.components.evaluate.metrics.registry import METRICS
from platen.components.evaluate.pictures import Generated
from platen.components.evaluate.report import measured_with
from platen.components.evaluate.settings import EvaluateSettings
from platen.core.manifest import File

NONE = np.zeros((0, 1))
ATTRIBUTES = {"colour": [{"value": name, "prompts": [name], "reference": 0.5} for name in ("red", "blue")]}
PICTURES = {"fid", "kid", "clip_score", "retrieval_accuracy", "memorised", "bias"}


def folder(files, **settings):
    """As much of a committed folder as is asked for; a file is named by its folder and its content."""
    listed = [File(path=f"{name[:-2]}/file", size=1, sha256=name[-1] * 64) for name in files]
    return SimpleNamespace(manifest=SimpleNamespace(files=listed, settings=settings))


MODEL = {name: f"{name}/a" for name in ("clip", "vae", "scheduler", "unet")}


def used(*, model=MODEL, digest=None, prompts="ab", train="t", test="h", sampling=None, **settings):
    pictures = [
        Generated(folder=Path(), file=f"{number}", prompt=prompt, seed=number, group="grid")
        for number, prompt in enumerate(prompts)
    ]
    rows = ([Row(key=name * 16, caption=name) for name in names] for names in (train, test))
    seen = Seen(pictures, *rows, NONE, NONE, NONE, NONE, NONE)
    inputs = {"model": folder(model.values()), "generated": folder((), **(sampling or {}))}
    context = Context(inputs, seen, SimpleNamespace(), EvaluateSettings(**settings), digest, Path())
    return {spec.name: measured_with(spec, context) for spec in METRICS}


def differing(**change):
    ours, theirs = used(), used(**change)
    return {metric for metric in ours if ours[metric] != theirs[metric]}


@pytest.mark.parametrize(
    ("change", "metrics"),
    [
        ({"model": {**MODEL, "unet": "unet/b"}}, set()),
        ({"prompts": "ba", "sampling": {"seed": 5}, "batch_size": 4, "metrics": {"bias": {"bootstraps": 200}}}, set()),
        ({"model": {**MODEL, "clip": "clip/b"}}, {*PICTURES, "clip_score_real"}),
        ({"model": {**MODEL, "vae": "vae/b"}}, {"held_out_loss"}),
        ({"model": {**MODEL, "scheduler": "scheduler/b"}}, {"held_out_loss"}),
        ({"metrics": {"held_out_loss": {"timesteps": 2}}}, {"held_out_loss"}),
        ({"prompts": "abb"}, PICTURES),
        ({"sampling": {"guidance_scale": 5.0}}, PICTURES),
        ({"train": "tu"}, {"fid", "kid", "memorised"}),
        ({"test": "hi"}, {"fid", "kid", "held_out_loss", "clip_score_real"}),
        ({"extractor": "some/folder", "digest": "0" * 64}, {"fid", "kid", "memorised"}),
        ({"metrics": {"bias": {"attributes": ATTRIBUTES}}}, {"bias"}),
        ({"metrics": {"bias": {"margin": 0.3}}}, {"bias"}),
    ],
)
def test_a_change_concerns_the_metrics_that_depend_on_it(change, metrics):
    """The weights that were trained, seeds, and the order and the batches that pictures were made in concern none."""
    assert differing(**change) == metrics


def test_an_extractors_folder_is_told_by_its_content_and_not_by_its_name():
    one, moved, other = (used(extractor=name, digest=digest) for name, digest in (("a", "0"), ("b", "0"), ("a", "1")))
    assert one == moved != other


@pytest.mark.parametrize("spec", METRICS, ids=[spec.name for spec in METRICS])
def test_every_metric_needs_what_a_context_has(spec):
    assert spec.needs <= NEEDS.keys()
    assert used()[spec.name], "nothing says what it was measured with, so it could be compared with anything"
