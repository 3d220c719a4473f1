import numpy as np
import pytest
import torch
from PIL import Image

from platen.components.evaluate.towers import Judge, embed, load_extractor
from platen.errors import InputError

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
