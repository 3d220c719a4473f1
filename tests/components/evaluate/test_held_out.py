import json
import shutil

import pytest
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler

from platen.components.evaluate.held_out import Denoiser
from platen.components.evaluate.metrics.held_out_loss import measure_loss
from platen.components.evaluate.pictures import HELD_OUT, choose_rows, read_real
from platen.core.errors import InputError
from platen.tasks.diffusion.objective import build_objective
from platen.tasks.diffusion.prediction_type import SCHEDULER
from platen.tasks.diffusion.settings import ObjectiveSettings

FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "steps_offset": 1}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def samples(real):
    return list(read_real(real.path, choose_rows(real.path, HELD_OUT, 100, 0)))


@pytest.fixture(scope="module")
def model_with(tmp_path_factory, tiny_model):
    """The tiny model with another scheduler."""

    def make(scheduler):
        folder = tmp_path_factory.mktemp("model") / "model"
        shutil.copytree(tiny_model.path, folder)
        scheduler.save_pretrained(folder / "scheduler")
        index = json.loads((folder / "model_index.json").read_text())
        index["scheduler"] = ["diffusers", type(scheduler).__name__]
        (folder / "model_index.json").write_text(json.dumps(index))
        return folder

    return make


@pytest.fixture(scope="module")
def model_of(model_with):
    """The tiny model with another prediction type."""
    return lambda predicts: model_with(DDPMScheduler(prediction_type=predicts, steps_offset=1, clip_sample=False))


def silence(denoiser):
    """Let the network answer zero."""
    torch.nn.init.zeros_(denoiser.model.denoiser.network.conv_out.weight)
    torch.nn.init.zeros_(denoiser.model.denoiser.network.conv_out.bias)


def test_a_network_that_says_nothing_has_the_noises_variance_as_its_loss(model_of, samples, settings):
    denoiser = Denoiser(model_of("epsilon"), 2, 0, "cpu")
    silence(denoiser)
    found = measure_loss(denoiser, samples, len(samples), settings)
    metric = found.estimate
    assert metric.value == pytest.approx(1, abs=0.05)
    assert metric.low < metric.value < metric.high
    assert [point.place for point in found.curve.points] == [250, 750]
    assert metric.note == "epsilon, 2 noise levels per image"


def test_the_target_is_what_the_scheduler_says_is_predicted(model_of):
    noise, velocity, sample = (Denoiser(model_of(kind), 2, 0, "cpu") for kind in ("epsilon", "v_prediction", "sample"))
    latents, extra, position = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8), torch.tensor([0.25])
    share = DDPMScheduler().alphas_cumprod[250]
    targets = [denoiser.process.at(latents, extra, position)[2] for denoiser in (noise, sample, velocity)]
    assert targets[0] is extra
    assert targets[1] is latents
    assert torch.allclose(targets[2], share.sqrt() * extra - (1 - share).sqrt() * latents)


def test_a_flow_goes_straight_from_latents_to_noise(model_with):
    denoiser = Denoiser(model_with(DPMSolverMultistepScheduler(**FLOW)), 2, 0, "cpu")
    latents, noise, position = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8), torch.tensor([0.25])
    noisy, _, target, _ = denoiser.process.at(latents, noise, position)
    assert torch.allclose(noisy, 0.75 * latents + 0.25 * noise)
    assert torch.equal(target, noise - latents)
    assert denoiser.timesteps == [250, 750]


def test_a_flows_levels_are_shifted_as_in_training(model_with):
    """A position of 0.25 lies, with a shift of 3, at 3 * 0.25 / (1 + 2 * 0.25) = 0.5 of the way."""
    assert Denoiser(model_with(DPMSolverMultistepScheduler(**FLOW, flow_shift=3.0)), 2, 0, "cpu").timesteps == [
        500,
        900,
    ]


@pytest.mark.parametrize(
    "scheduler",
    [
        DDPMScheduler(prediction_type="epsilon", beta_schedule="scaled_linear", steps_offset=1, clip_sample=False),
        DDPMScheduler(prediction_type="v_prediction", steps_offset=1, clip_sample=False),
        DPMSolverMultistepScheduler(**FLOW, flow_shift=3.0),
    ],
    ids=["epsilon", "v", "flow"],
)
@torch.inference_mode()
def test_the_held_out_loss_is_the_training_loss(scheduler, model_with, samples):
    """For the same noise at the same place on the way to it; training's weight apart."""
    folder = model_with(scheduler)
    denoiser = Denoiser(folder, 1, 0, "cpu")
    config = json.loads((folder / SCHEDULER).read_text())
    objective = build_objective(ObjectiveSettings(), config, seed=0, global_batch=4)
    for place, sample in enumerate(samples[:4]):
        latents = denoiser.model.latents([sample])
        conditions = denoiser.model.conditions([sample.row.caption])
        noised = objective.noise(latents, 0, range(place, place + 1))
        trained = objective.loss(denoiser.model.predict(noised.latents, noised.timesteps, conditions), noised)
        denoiser.positions = objective._positions(0, range(place, place + 1)).tolist()
        denoiser.noise = lambda shape, *_, place=place: objective._draw(shape, 0, place)[0]
        held_out = denoiser.losses([sample])
        assert held_out.shape == (1, 1)
        assert float(held_out * noised.weight) == pytest.approx(float(trained), rel=1e-6)


def test_a_prediction_that_nobody_knows_is_refused(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model.path, tmp_path / "model")
    config = json.loads((folder / SCHEDULER).read_text())
    (folder / SCHEDULER).write_text(json.dumps({**config, "prediction_type": "score"}))
    with pytest.raises(InputError, match=r"scheduler_config\.json: prediction_type 'score'. Accepted: epsilon"):
        Denoiser(folder, 2, 0, "cpu")


def test_the_loss_of_a_picture_depends_on_no_other(tiny_model, samples):
    denoiser = Denoiser(tiny_model.path, 2, 0, "cpu")
    together, turned = denoiser.losses(samples[:4]), denoiser.losses(samples[3::-1])
    assert torch.allclose(together, turned.flip(0), rtol=1e-4)
    assert torch.equal(together, denoiser.losses(samples[:4]))
    other = Denoiser(tiny_model.path, 2, 1, "cpu").losses(samples[:4])
    assert not torch.allclose(together, other, rtol=1e-4)


def test_few_pictures_give_no_number(tiny_model, samples, settings):
    denoiser = Denoiser(tiny_model.path, 2, 0, "cpu")
    for some in ([], samples[:9]):
        found = measure_loss(denoiser, some, len(some), settings)
        assert found.estimate.value is None and found.curve is None
