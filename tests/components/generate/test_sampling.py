import numpy as np
import pytest

from platen.components.generate.prompts import Prompt
from platen.components.generate.sampling import load_pipeline, sample_pictures
from platen.devices import fixed_threads
from platen.errors import InputError
from tests.flagging_model import write_flagging_model

PROMPTS = [Prompt(prompt=f"a {colour} circle", seed=seed) for seed, colour in enumerate(["red", "blue", "green"])]


@pytest.fixture(scope="module")
def pipeline(tiny_model):
    with fixed_threads(1):
        yield load_pipeline(tiny_model.path, "float32")


def make(pipeline, prompts):
    pictures = [np.asarray(picture, dtype=np.int16) for picture in sample_pictures(pipeline, prompts, 2, 2.0)]
    return np.stack(pictures)


def test_a_picture_depends_on_its_prompt_and_seed_alone(pipeline):
    together, turned, alone = make(pipeline, PROMPTS), make(pipeline, PROMPTS[::-1]), make(pipeline, PROMPTS[1:2])
    assert np.abs(turned[::-1] - together).max() <= 1  # the last bits depend on the place in the batch
    assert np.abs(alone[0] - together[1]).max() <= 1
    assert np.abs(make(pipeline, [Prompt(prompt="a blue circle", seed=9)])[0] - together[1]).max() > 20


def test_the_same_batch_gives_the_same_pictures(pipeline):
    assert (make(pipeline, PROMPTS) == make(pipeline, PROMPTS)).all()


def test_the_size_is_the_models_or_the_one_asked_for(pipeline):
    (own,), (asked,) = (sample_pictures(pipeline, PROMPTS[:1], 1, 1.0, size) for size in (None, 32))
    assert own.size == (64, 64)
    assert asked.size == (32, 32)


def test_a_folder_that_is_no_model_is_named(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path}: not a model that diffusers loads"):
        load_pipeline(tmp_path, "float32")


def test_a_safety_checker_blackens_no_picture(tiny_model, tmp_path):
    write_flagging_model(tmp_path, tiny_model.path)
    assert make(load_pipeline(tmp_path, "float32"), PROMPTS[:1]).any()
