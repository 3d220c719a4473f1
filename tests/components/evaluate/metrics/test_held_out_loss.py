from types import SimpleNamespace

import numpy as np

from platen.components.evaluate.metrics.held_out_loss import METRIC, HeldOutLossSettings, measure_loss
from platen.components.evaluate.settings import EvaluateSettings
from tests.components.evaluate.metrics.small_context import context

LOSSES = np.array([[0.5, 1.5], [0.7, 1.7]])


def denoiser(losses):
    return SimpleNamespace(
        all_losses=lambda samples, total, batch_size: losses, timesteps=[250, 750], process=SimpleNamespace(kind="v")
    )


def test_the_loss_is_the_mean_over_images_of_the_mean_over_levels():
    found = measure_loss(denoiser(LOSSES), [], 2, EvaluateSettings(min_samples=2))
    assert (round(found.estimate.value, 9), found.estimate.n) == (1.1, 2)
    assert [(point.place, round(point.value, 9)) for point in found.curve.points] == [(250, 0.6), (750, 1.6)]
    assert found.estimate.note == "v, 2 noise levels per image"


def test_few_images_give_no_number_and_no_curve():
    found = measure_loss(denoiser(LOSSES), [], 2, EvaluateSettings(min_samples=3))
    assert found.estimate.value is None and found.curve is None


def test_the_noise_is_part_of_what_the_loss_was_measured_with():
    here = context(["a red dog"], ["red"])
    one, other = (METRIC.provenance(here, HeldOutLossSettings(timesteps=levels)) for levels in (2, 4))
    assert {name for name in one if one[name] != other[name]} == {"timesteps"}
