"""Reading a diffusers folder without loading it: what is published is accepted, every fault is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from platen.core.errors import InputError
from platen.core.stage import Folder
from platen.families.layout import (
    OneOf,
    WholeNumber,
    check_fields,
    check_index,
    check_tensors,
    check_tokenizer,
    choose_weights,
    join_weights,
    read_config,
    read_json,
    read_model_index,
    tensor_shapes,
    weight_files,
)

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 3438167540\n"


@pytest.fixture
def given(tiny_model: Folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model.path, tmp_path / "given"))


def test_it_needs_no_torch() -> None:
    code = "import sys, platen.families.layout; print(sorted({'torch', 'safetensors', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_index_of_a_pipeline(given: Path) -> None:
    index = read_model_index(given)
    assert index.class_name == "StableDiffusionPipeline"
    assert index.components["vae"] == ("diffusers", "AutoencoderKL")
    assert index.components["safety_checker"] is None
    check_index(index, ["StableDiffusionPipeline"], ["unet", "vae"])


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, r"model_index\.json: missing\. Accepted: the folder of a diffusers pipeline"),
        ("", r"model_index\.json: not JSON"),
        ("[" * 100_000, r"model_index\.json: not JSON"),
        ("[1]", r"model_index\.json: holds a JSON list\. Accepted: a JSON object"),
        (POINTER, r"model_index\.json: a git-lfs pointer .*`git lfs pull`"),
        ("{}", r"model_index\.json: _class_name is null\. Accepted: the name of a diffusers pipeline class"),
        ('{"_class_name": ["pipeline", "Own"]}', r'_class_name is \["pipeline", "Own"\]\. Accepted'),
        ('{"_class_name": "X", "unet": ["diffusers"]}', r'unet is \["diffusers"\]\. Accepted: \[library, class\]'),
    ],
)
def test_what_is_no_pipeline(tmp_path: Path, content: str | None, fault: str) -> None:
    if content is not None:
        (tmp_path / "model_index.json").write_text(content)
    with pytest.raises(InputError, match=fault):
        read_model_index(tmp_path)


def test_a_pipeline_that_is_not_accepted(given: Path) -> None:
    index = read_model_index(given)
    with pytest.raises(InputError, match=r"_class_name is 'StableDiffusionPipeline'\. Accepted: FluxPipeline"):
        check_index(index, ["FluxPipeline"], [])
    with pytest.raises(InputError, match=r"model_index\.json: transformer is missing\. Accepted: \[library, class\]"):
        check_index(index, [index.class_name], ["transformer"])
    with pytest.raises(InputError, match=r"model_index\.json: safety_checker is null"):
        check_index(index, [index.class_name], ["safety_checker"])
    shutil.rmtree(given / "vae")
    with pytest.raises(InputError, match=r"given/vae: missing; model_index\.json names this component"):
        check_index(index, [index.class_name], ["vae"])


def test_the_class_of_a_component(given: Path) -> None:
    assert read_config(given / "vae", ["AutoencoderKL"])["latent_channels"] == 4
    assert read_config(given / "text_encoder", ["CLIPTextModel"])["hidden_size"] == 32
    with pytest.raises(InputError, match=r'vae/config\.json: _class_name is "AutoencoderKL"\. Accepted: AutoencoderDC'):
        read_config(given / "vae", ["AutoencoderDC"])
    with pytest.raises(InputError, match=r'config\.json: architectures is \["CLIPTextModel"\]\. Accepted: T5Encoder'):
        read_config(given / "text_encoder", ["T5EncoderModel"])
    (given / "vae" / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"config\.json: has no _class_name and no architectures"):
        read_config(given / "vae", ["AutoencoderKL"])


@pytest.mark.parametrize(
    ("config", "rule", "fault"),
    [
        ({"x": 4}, OneOf([4]), None),
        ({"x": 4.0}, OneOf([4]), None),
        ({}, OneOf([4], default=4), None),
        ({}, OneOf([None]), None),
        ({"x": 9}, OneOf([4], source="latent_channels of vae"), r"x is 9\. Accepted: 4 \(latent_channels of vae\)"),
        ({}, OneOf([4, None], default=1), r"x is missing\. Accepted: 4 or null"),
        ({"x": True}, OneOf([1]), r"x is true\. Accepted: 1"),
        ({"x": 77}, WholeNumber(1, 77), None),
        ({"x": 78}, WholeNumber(1, 77), r"x is 78\. Accepted: a whole number from 1 to 77"),
        ({"x": "77"}, WholeNumber(), r'x is "77"\. Accepted: a whole number from 1'),
        ({"x": True}, WholeNumber(), r"x is true"),
        ({}, WholeNumber(), r"x is missing"),
    ],
)
def test_a_field(config: dict[str, object], rule: OneOf | WholeNumber, fault: str | None) -> None:
    if fault is None:
        check_fields(Path("c.json"), config, {"x": rule})
    else:
        with pytest.raises(InputError, match=rf"^c\.json: {fault}"):
            check_fields(Path("c.json"), config, {"x": rule})


@pytest.mark.parametrize(
    ("names", "variant", "chosen"),
    [
        (["model.safetensors", "model.fp16.safetensors"], None, "model.safetensors"),
        (["model.safetensors", "model.fp16.safetensors"], "fp16", "model.fp16.safetensors"),
        (["model.safetensors"], "fp16", "model.safetensors"),
        (["config.json", "model.fp16.safetensors"], None, "model.fp16.safetensors"),
        (["model-00001-of-00002.safetensors", "model.safetensors.index.json"], None, "model.safetensors.index.json"),
        (
            ["model.fp16-00001-of-00002.safetensors", "model.safetensors.index.fp16.json"],
            None,
            "model.safetensors.index.fp16.json",
        ),
        (["model-00001-of-00002.fp16.safetensors"], None, None),
        (["pytorch_model.bin", "config.json"], None, None),
    ],
)
def test_the_weights_among_the_files(names: list[str], variant: str | None, chosen: str | None) -> None:
    assert choose_weights(names, variant) == chosen


def test_variants_to_choose_from() -> None:
    names = ["model.fp16.safetensors", "model.bf16.safetensors"]
    with pytest.raises(InputError, match="Accepted as variant: bf16, fp16"):
        choose_weights(names)
    assert choose_weights(names, "bf16") == "model.bf16.safetensors"


def test_headers_are_what_the_library_reads(given: Path) -> None:
    (file,) = weight_files(given, "unet")
    wanted = load_file(file)
    found = tensor_shapes([file])
    assert {name: info.shape for name, info in found.items()} == {name: each.shape for name, each in wanted.items()}
    assert {info.dtype for info in found.values()} == {"F32"}


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_shards_as_diffusers_and_transformers_write_them(given: Path, variant: str | None) -> None:
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel

    for kind, part in ((UNet2DConditionModel, "unet"), (CLIPTextModel, "text_encoder")):
        (whole,) = weight_files(given, part)
        wanted = load_file(whole)
        kind.from_pretrained(given / part).save_pretrained(given / "cut" / part, max_shard_size="30KB", variant=variant)
        files = weight_files(given / "cut", part)
        assert len(files) > 1
        join_weights(files, given / "joined.safetensors")
        found = load_file(given / "joined.safetensors")
        assert found.keys() == wanted.keys()
        assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


def test_a_shard_that_is_missing_or_lacks_tensors(given: Path) -> None:
    from diffusers import UNet2DConditionModel

    UNet2DConditionModel.from_pretrained(given / "unet").save_pretrained(given / "cut", max_shard_size="30KB")
    _, second, *_ = weight_files(given, "cut")
    weights = load_file(second)
    save_file({name: each for name, each in weights.items() if name != min(weights)}, second)
    with pytest.raises(InputError, match=rf"{second.name}: lacks 1 tensors that the index .*, as {min(weights)}"):
        weight_files(given, "cut")
    second.unlink()
    with pytest.raises(InputError, match=rf"{second.name}: missing; the index of the weights names \d+ shards"):
        weight_files(given, "cut")


@pytest.mark.parametrize("name", ["../unet/model.safetensors", "/etc/model.safetensors", "x.bin", 3, None])
def test_an_index_that_names_other_places(tmp_path: Path, name: object) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(InputError, match=r"index\.json: weight_map names .*Accepted: safetensors beside it"):
        weight_files(tmp_path, ".")
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(InputError, match=r"index\.json: weight_map is null\. Accepted: file names by tensor"):
        weight_files(tmp_path, ".")


def header(entries: object, body: int = 0) -> bytes:
    data = json.dumps(entries).encode()
    return len(data).to_bytes(8, "little") + data + bytes(body)


ONE = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (POINTER.encode(), r"a git-lfs pointer .*`git lfs pull`"),
        (b"", "0 bytes, cut within its header"),
        (header(ONE, 8)[:20], "20 bytes, cut within its header"),
        (header(ONE, 7), r"is cut: \d+ bytes; by its header \d+\. Fetch it again"),
        (header(ONE, 9), "has bytes after its last tensor"),
        (b"\x02\0\0\0\0\0\0\0{x", "its header is not JSON"),
        (header([1]), "its header is a JSON list"),
        (header({}), "has no tensors"),
        (header({"a": {"dtype": "F32"}}), r"a is \{.* in the header\. Accepted: dtype, shape, data_offsets"),
        (header({"a": {**ONE["a"], "shape": [3]}}, 8), r"a has 8 bytes, not those of F32 \[3\]"),
        (b"<html>not found</html>" * 9, "cut within its header, or no safetensors file"),
    ],
)
def test_a_weight_file_that_is_none(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=rf"model\.safetensors: .*{fault}"):
        weight_files(tmp_path, ".")


def test_other_formats_are_not_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no weights\. Accepted: diffusion_pytorch_model\.safetensors or model\."):
        weight_files(tmp_path, "unet")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"only pytorch_model\.bin, .*Accepted: safetensors weights; .*save_pretrained"
    ):
        weight_files(tmp_path, ".")


def test_tensors_that_the_config_does_not_have(given: Path) -> None:
    found = tensor_shapes(weight_files(given, "vae"))
    check_tensors(given / "vae", found, {"decoder.conv_out.bias": (3,)})
    with pytest.raises(InputError, match=r"given/vae: decoder\.conv_out\.bias has the shape \[3\]\. Accepted: \[4\]"):
        check_tensors(given / "vae", found, {"decoder.conv_out.bias": (4,)})
    with pytest.raises(InputError, match=r"given/vae: lacks 1 weights of its config\.json, as x"):
        check_tensors(given / "vae", found, {"x": ()})


def edit(path: Path, **values: object) -> None:
    kept = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({name: value for name, value in kept.items() if value is not None}))


def without_words(folder: Path) -> None:
    values = read_json(folder / "tokenizer.json")
    edit(folder / "tokenizer.json", model={**values["model"], "vocab": {}})


def without_merges(folder: Path) -> None:
    values = read_json(folder / "tokenizer.json")
    edit(folder / "tokenizer.json", model={**values["model"], "merges": []})


def in_two_files(folder: Path) -> None:
    model = read_json(folder / "tokenizer.json")["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in model["merges"]))
    (folder / "tokenizer.json").unlink()


def in_two_files_one_empty(folder: Path) -> None:
    in_two_files(folder)
    (folder / "merges.txt").write_text("#version: 0.2\n")


def in_two_files_one_missing(folder: Path) -> None:
    in_two_files(folder)
    (folder / "merges.txt").unlink()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda folder: None, None),
        (in_two_files, None),
        (in_two_files_one_empty, r"merges\.txt: the vocabulary is empty"),
        (in_two_files_one_missing, r"merges\.txt: missing"),
        (without_words, r"tokenizer\.json: the vocabulary is empty"),
        (without_merges, r"tokenizer\.json: the vocabulary is empty"),
        (lambda folder: (folder / "tokenizer.json").unlink(), r"tokenizer\.json: missing\. Accepted: .* spiece\.model"),
        (lambda folder: (folder / "tokenizer.json").write_text(POINTER), r"tokenizer\.json: a git-lfs pointer"),
        (lambda folder: (folder / "tokenizer_config.json").unlink(), r"tokenizer_config\.json: missing"),
        (
            lambda folder: edit(folder / "tokenizer_config.json", model_max_length=None),
            r"tokenizer_config\.json: model_max_length is missing\. Accepted: a whole number from 1 to 32",
        ),
        (
            lambda folder: edit(folder / "tokenizer_config.json", model_max_length=int(1e30)),
            r"model_max_length is 10+\d+\. Accepted: a whole number from 1 to 32 \(what the text encoder takes\)",
        ),
    ],
)
def test_a_tokenizer(given: Path, change: Callable[[Path], None], fault: str | None) -> None:
    folder = given / "tokenizer"
    change(folder)
    if fault is None:
        check_tokenizer(folder, vocabulary=570, max_length=32)
    else:
        with pytest.raises(InputError, match=fault):
            check_tokenizer(folder, vocabulary=570, max_length=32)


def test_a_tokenizer_with_more_ids_than_the_text_encoder(given: Path) -> None:
    with pytest.raises(InputError, match=r"tokenizer\.json: has ids up to 569\. Accepted: below 500"):
        check_tokenizer(given / "tokenizer", vocabulary=500, max_length=32)


def test_a_sentencepiece_model_is_a_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 512}')
    (tmp_path / "spiece.model").write_bytes(b"\n\x0e")
    check_tokenizer(tmp_path, vocabulary=32128, max_length=512)
    (tmp_path / "spiece.model").write_text(POINTER)
    with pytest.raises(InputError, match=r"spiece\.model: a git-lfs pointer"):
        check_tokenizer(tmp_path, vocabulary=32128, max_length=512)
