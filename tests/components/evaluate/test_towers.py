import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from platen.components.evaluate.towers import Judge, embed, load_extractor
from platen.core.errors import InputError

PICTURES = [Image.new("RGB", (48, 48), colour) for colour in ("red", "green", "blue", "white", "black")]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_judge_sees_and_reads_into_one_space(judge):
    seen, read = embed(PICTURES, judge, 2, 5, "looking"), judge.read(["a red circle", "a blue square on white"])
    assert seen.shape == (5, 16) and read.shape == (2, 16)
    assert np.linalg.norm(np.concatenate([seen, read]), axis=1) == pytest.approx(1)
    assert np.ptp(seen, axis=0).max() > 1e-3


def test_the_judge_agrees_with_transformers(judge):
    """Logits of CLIPModel itself, on a picture that needs no resizing."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    tokens = judge.tokenizer(["a red circle"], padding="max_length", max_length=32, return_tensors="pt")
    with torch.inference_mode():
        wanted = judge.model(pixel_values=judge.eye([picture]), **tokens).logits_per_image.item()
        found = judge.scale * (judge([picture]).double().numpy() @ judge.read(["a red circle"]).T).item()
    assert found == pytest.approx(wanted, abs=1e-4)


def test_a_long_text_is_cut_and_many_are_read_in_parts(judge, monkeypatch):
    assert np.isfinite(judge.read(["red " * 500])).all()
    texts = [f"a {colour} circle" for colour in ("red", "green", "blue")]
    whole = judge.read(texts)
    monkeypatch.setattr("platen.components.evaluate.towers.TEXTS", 2)
    assert judge.read(texts) == pytest.approx(whole, abs=1e-6)


def test_the_extractor_is_the_models_own_or_a_folder(judge, tiny_model):
    own, named = (load_extractor(name, judge) for name in ("clip", str(tiny_model.path / "clip")))
    features = embed(PICTURES, own, 5, 5, "looking")
    assert features.shape == (5, own.width) == (5, 32)
    assert embed(PICTURES, named, 5, 5, "looking") == pytest.approx(features)


def test_a_dinov2_folder_is_an_extractor(tmp_path, judge):
    from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model

    config = Dinov2Config(hidden_size=24, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14)
    Dinov2Model(config).save_pretrained(tmp_path)
    BitImageProcessorPil(crop_size={"height": 28, "width": 28}).save_pretrained(tmp_path)
    extractor = load_extractor(str(tmp_path), judge)
    assert extractor.eye.side == 28
    assert embed(PICTURES, extractor, 2, 5, "looking").shape == (5, 24)


def test_no_pictures_have_the_towers_width(judge):
    assert embed([], judge, 2, 0, "looking").shape == (0, 16)


@pytest.mark.parametrize(
    ("name", "told"),
    [("inception", "inception needs the package torch-fidelity"), ("/no/such/folder", "Accepted: clip, inception")],
)
def test_an_extractor_that_cannot_be_had_is_refused(judge, name, told):
    with pytest.raises(InputError, match=told):
        load_extractor(name, judge)


def test_a_model_without_clip_is_refused(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path}/clip: no CLIP model here"):
        Judge(tmp_path / "clip", "cpu")


@pytest.fixture
def clip(tiny_model, tmp_path):
    return shutil.copytree(tiny_model.path / "clip", tmp_path / "clip")


@pytest.mark.parametrize("name", ["text_projection.weight", "visual_projection.weight", "logit_scale"])
def test_a_judge_without_a_projection_is_refused(clip, name):
    weights = load_file(clip / "model.safetensors")
    save_file({key: weight for key, weight in weights.items() if key != name}, clip / "model.safetensors")
    with pytest.raises(InputError, match=f"clip: the weights lack {name}"):
        Judge(clip, "cpu")


def test_a_judge_without_another_weight_is_refused(clip):
    weights = load_file(clip / "model.safetensors")
    name = min(name for name in weights if "vision_model.encoder" in name)
    save_file({key: weight for key, weight in weights.items() if key != name}, clip / "model.safetensors")
    with pytest.raises(InputError, match=f"clip: lacks 1 weights of its config.json, as {name}"):
        Judge(clip, "cpu")


def test_a_judge_without_a_tokenizer_is_refused(clip):
    (clip / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"clip/tokenizer\.json: missing"):
        Judge(clip, "cpu")


def test_a_judge_whose_projections_do_not_meet_is_refused(clip):
    weights = load_file(clip / "model.safetensors")
    save_file({**weights, "text_projection.weight": torch.zeros(8, 32)}, clip / "model.safetensors")
    with pytest.raises(InputError, match=r"text_projection\.weight has the shape \[8, 32\]\. Accepted: \[16, 32\]"):
        Judge(clip, "cpu")


def test_a_judge_that_knows_no_letter_of_its_texts_is_refused(clip):
    values = json.loads((clip / "tokenizer.json").read_text())
    words = ["<|startoftext|>", "<|endoftext|>", "0", "0</w>", "00</w>"]
    values["model"] |= {"vocab": {word: number for number, word in enumerate(words)}, "merges": [["0", "0</w>"]]}
    (clip / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match="the tokenizer gives all texts the same ids"):
        Judge(clip, "cpu")
