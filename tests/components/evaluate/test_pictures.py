import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from platen.components.evaluate.pictures import (
    HELD_OUT,
    TRAINING,
    choose_rows,
    decode,
    read_generated,
    read_real,
    resize,
)
from platen.core.errors import CorruptError, InputError
from platen.core.manifest import Source


def test_rows_are_chosen_by_split_and_at_random_where_there_are_too_many(real):
    training, held_out = (choose_rows(real.path, splits, 100, 0) for splits in (TRAINING, HELD_OUT))
    some, others = (choose_rows(real.path, TRAINING, 12, seed) for seed in (0, 1))
    assert (len(training), len(held_out), len(some)) == (36, 24, 12)
    assert {row.split for row in held_out} == {"validation", "test"}
    assert some == [row for row in training if row in some]
    assert some != others


def test_real_pictures_come_in_the_rows_order(real):
    rows = choose_rows(real.path, HELD_OUT, 10, 3)
    assert [sample.row for sample in read_real(real.path, rows)] == rows
    assert list(read_real(real.path, [])) == []


def test_the_index_of_another_model_is_refused(generated, tiny_model):
    other = Source(uri="train/other", digest="0" * 64)
    manifest = generated.manifest.model_copy(update={"inputs": {"model": other}})
    with pytest.raises(InputError, match=r"made with the model train/other\. Accepted: pictures of .*train"):
        read_generated(replace(generated, manifest=manifest), tiny_model)


@pytest.mark.parametrize("text", ["", '{"file": "x"}\n', "[1]\n", "{"])
def test_an_index_that_is_none_is_refused(tmp_path, generated, tiny_model, text):
    (tmp_path / "index.jsonl").write_text(text)
    with pytest.raises(CorruptError, match=r"index\.jsonl: not an index of generated images"):
        read_generated(replace(generated, uri=str(tmp_path)), tiny_model)


def test_a_picture_that_is_missing_or_broken_is_named(tmp_path, generated, tiny_model):
    row = {"file": "pictures/0.png", "prompt": "x", "seed": 0, "group": ""}
    (tmp_path / "index.jsonl").write_text(json.dumps(row))
    (picture,) = read_generated(replace(generated, uri=str(tmp_path)), tiny_model)
    with pytest.raises(CorruptError, match=r"pictures/0\.png: in the index but not in the folder"):
        picture.read()
    with pytest.raises(CorruptError, match=r"x\.png: not a whole picture"):
        decode(b"no picture", "x.png")


def test_resizing_keeps_fractions_of_a_grey_level():
    ramp = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8)[None, :, None], (64, 1, 3)))
    small = resize(ramp, 32, 32)
    assert small.shape == (3, 32, 32)
    assert small.dtype == np.float32
    assert small[0, 5, 10] * 255 == pytest.approx(20.5, abs=1e-3)


def test_resizing_takes_an_average_where_it_shrinks():
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    assert resize(Image.fromarray(stripes), 8, 8)[:, 2:-2, 2:-2] == pytest.approx(0.5, abs=0.02)


def test_a_picture_of_the_right_size_is_left_alone():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    same = resize(decode(data.getvalue(), "x"), 16, 16)
    assert (np.round(same * 255).astype(np.uint8) == pixels.transpose(2, 0, 1)).all()


def test_of_a_picture_that_is_no_square_the_middle_is_compared():
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 255
    assert (resize(Image.fromarray(wide), 20, 20) == 1).all()
    assert resize(Image.fromarray(wide.transpose(1, 0, 2)), 10, 10).shape == (3, 10, 10)
