import shutil

import pytest
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler

from platen.components.evaluate.held_out import Denoiser, measure
from platen.components.evaluate.pictures import HELD_OUT, choose_rows, read_real


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
def model_of(tmp_path_factory, tiny_model):
    """The tiny model with another prediction type, its UNet answering zero if told to."""

    def make(predicts):
        folder = tmp_path_factory.mktemp("model") / predicts
        shutil.copytree(tiny_model.path, folder)
        DDPMScheduler(prediction_type=predicts, steps_offset=1, clip_sample=False).save_pretrained(folder / "scheduler")
        return folder

    return make


def silence(denoiser):
    """Let the network answer zero."""
    torch.nn.init.zeros_(denoiser.pipeline.unet.conv_out.weight)
    torch.nn.init.zeros_(denoiser.pipeline.unet.conv_out.bias)


def test_a_network_that_says_nothing_has_the_noises_variance_as_its_loss(model_of, samples, settings):
    denoiser = Denoiser(model_of("epsilon"), 2, 0, "cpu")
    silence(denoiser)
    metric, levels = measure(denoiser, samples, len(samples), settings)
    assert metric.value == pytest.approx(1, abs=0.05)
    assert metric.low < metric.value < metric.high
    assert [level["timestep"] for level in levels] == [250, 750]
    assert metric.note == "epsilon, 2 noise levels a picture"


def test_the_target_is_what_the_scheduler_says_is_predicted(model_of, samples):
    noise, velocity, sample = (Denoiser(model_of(kind), 2, 0, "cpu") for kind in ("epsilon", "v_prediction", "sample"))
    latents, extra, when = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8), torch.tensor([250])
    share = noise.scheduler.alphas_cumprod[250]
    assert noise._target(latents, extra, when) is extra
    assert sample._target(latents, extra, when) is latents
    assert torch.allclose(velocity._target(latents, extra, when), share.sqrt() * extra - (1 - share).sqrt() * latents)


def test_a_flow_goes_straight_from_latents_to_noise(tiny_model, samples, tmp_path):
    folder = shutil.copytree(tiny_model.path, tmp_path / "flow")
    solver = DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, steps_offset=1)
    solver.save_pretrained(folder / "scheduler")
    index = (folder / "model_index.json").read_text().replace("DDIMScheduler", "DPMSolverMultistepScheduler")
    (folder / "model_index.json").write_text(index)
    denoiser = Denoiser(folder, 2, 0, "cpu")
    latents, noise, when = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8), torch.tensor([250])
    assert torch.allclose(denoiser._noisy(latents, noise, when), 0.75 * latents + 0.25 * noise)
    assert torch.equal(denoiser._target(latents, noise, when), noise - latents)


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
        metric, levels = measure(denoiser, some, len(some), settings)
        assert metric.value is None and levels == []
