"""Each stage in a container of its own image, on data that reaches what the demo of test_pipeline.py does not.

A module that only some data need is missed by a run on other data: monitor worked until there was traffic.

| Stage | What the demo in containers reaches | What is reached here |
|---|---|---|
| ingest | a folder and a CSV in a bucket, URLs | metadata.parquet, tables in Parquet and JSON lines, a picture by URL |
| clean_text | captions in English and others | several wanted languages, marks in place of addresses |
| clean_images | PNG and JPEG, to PNG | every format and pixel type, colour profiles, buckets; to JPEG and WebP |
| merge | duplicates among PNGs | examples of duplicates that are JPEG and WebP |
| base | the tiny model | a model that is given |
| encode | embeddings, float32 | token ids, float16 |
| plan | nothing: no plan is asked for | a whole plan |
| train | a PyTorchJob, ZeRO-3 | this machine, adapters, offload, a trace, links; words where there is no compiler |
| generate | a prompt file of JSON lines | a text file, another size |
| evaluate | all measures, seen with `clip` | an extractor of the user's; words where one cannot be had |
| gate | no champion | a champion |
| deploy | a Deployment | words where there is none |
| serve | a Deployment's pod that answers | the command, with its page, its measures and the request log |
| monitor | fewer requests than it wants | every measure with its interval |
| notify | the report of a run that went through | that of one that failed, and the webhook |
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageCms, features

from platen.artifacts import releases
from platen.artifacts.dataset import Split, read_drops, read_index
from platen.artifacts.metadata import EncodedMetadata
from platen.components.merge.settings import MergeSettings
from platen.components.merge.stage import STAGE as MERGE
from platen.core.errors import ProcessError
from platen.core.stage import Folder, open_folder, run_stage
from tests.cluster.containers import Box
from tests.components.clean_images.test_decode import FORMATS
from tests.components.deploy.conftest import Bench
from tests.components.evaluate.conftest import COLOURS, generated, real  # noqa: F401 - fixtures
from tests.components.gate.conftest import commit, evaluated, metric  # noqa: F401 - fixtures
from tests.components.ingest.conftest import Site, site  # noqa: F401 - a fixture
from tests.components.merge.conftest import cleaned
from tests.components.monitor.test_stage import Watch
from tests.components.notify.a_run import run_chain
from tests.components.notify.test_webhook import Hook, listening
from tests.components.train import small_run
from tests.tiny_dataset import commit_raw, drawing, encoded, sample
from tests.tiny_model import write_tiny_model

pytestmark = pytest.mark.timeout(600)  # two ranks that share two cores with the other files

CHECK_MACHINE = """
from platen.components.train.planned.hardware import Gpu
from platen.components.train.rank.machine import Machine, check_machine
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError

for gpu, settings in [
    (None, {"compile": True, "zero": {"stage": 2}}),
    (Gpu("NVIDIA L4", 22.0), {"compile": True, "zero": {"stage": 2}}),
    (Gpu("NVIDIA L4", 22.0), {"zero": {"quantized_gradients": True}}),
    (None, {"zero": {"offload_optimizer": "nvme", "nvme_path": "/tmp"}}),
]:
    try:
        check_machine(TrainSettings.model_validate(settings), Machine(gpu, 2))
    except SettingsError as error:
        print(error)
"""
INCEPTION = """
import sys
from pathlib import Path
from platen.components.evaluate.towers import Judge, load_extractor
from platen.core.errors import InputError

try:
    load_extractor("inception", Judge(Path(sys.argv[1]), "cpu"))
except InputError as error:
    print(error)
"""
ASK = """
import base64, httpx, sys, time

until = time.monotonic() + 120
while True:
    try:
        httpx.get("http://localhost:8000/readyz").raise_for_status()
        break
    except httpx.HTTPError:
        assert time.monotonic() < until
        time.sleep(0.2)
body = {"prompt": "a red circle on a white background", "response_format": "b64_json", "seed": 1}
answer = httpx.post("http://localhost:8000/v1/images/generations", json=body, timeout=120).raise_for_status()
assert "platen_" in httpx.get("http://localhost:8000/metrics").text
assert "<html" in httpx.get("http://localhost:8000/").text
sys.stdout.buffer.write(base64.b64decode(answer.json()["data"][0]["b64_json"]))
"""


@pytest.fixture
def box(tmp_path: Path) -> Callable[..., Box]:
    """A stage's image with a folder of the test's own."""

    def make(stage: str, *seen: Path, **more: Any) -> Box:
        (tmp_path / "own").mkdir(exist_ok=True)
        return Box(stage, tmp_path / "own", seen, **more)

    return make


def uris(**inputs: Folder) -> dict[str, str]:
    return {name: folder.uri for name, folder in inputs.items()}


def test_ingest_reads_tables_of_every_kind_and_urls(box: Callable[..., Box], site: Site) -> None:  # noqa: F811
    here = box("ingest", network="host")
    for name in ("folder/a", "table/b"):
        (here.folder / name).parent.mkdir()
        (here.folder / name).with_suffix(".png").write_bytes(encoded(drawing(len(name))))
    site.routes["/c.webp"] = (200, {"Content-Type": "image/webp"}, encoded(drawing(3), "WEBP"))
    pq.write_table(
        pa.table({"file_name": ["a.png"], "text": ["in a folder"]}), here.folder / "folder" / "metadata.parquet"
    )
    (here.folder / "table" / "t.jsonl").write_text(json.dumps({"path": "b.png", "caption": "in a table"}))
    pq.write_table(pa.table({"url": [site.url("/c.webp")], "caption": ["at a URL"]}), here.folder / "urls.parquet")
    sources = {"folder": "folder", "table": "table/t.jsonl", "urls": "urls.parquet"}
    made = here.platen({"ingest": {**sources, "allow_hosts": [site.host]}}).folder()
    assert {row.caption for row in read_index(made.path)} == {"in a folder", "in a table", "at a URL"}
    assert made.manifest.dropped == {}


def test_clean_text_tells_languages_apart(box: Callable[..., Box]) -> None:
    captions = {
        "a small red circle lies on a white background": "kept",
        "ein kleiner roter Kreis liegt auf weißem Grund": "kept",
        "un petit cercle rouge se trouve sur un fond blanc": "wrong_language",
        "白い背景の上にある小さな赤い円": "wrong_language",
        "маленький красный круг на белом фоне": "wrong_language",
        "a red circle, ask me@example.org about it": "kept",
    }
    here = box("clean_text")
    raw = commit_raw(here.workspace, [[sample(number, caption) for number, caption in enumerate(captions)]])
    chosen = {"languages": ["en", "de"], "redaction": "mark"}
    made = here.platen({"clean_text": chosen}, uris(dataset=raw)).folder()
    kept = [row.caption for row in read_index(made.path)]
    assert len(kept) == 3 and any("[email]" in caption for caption in kept)
    assert made.manifest.dropped == {"wrong_language": 3}


def of_every_kind() -> list[bytes]:
    """A picture in each format and pixel type that is accepted."""
    picture, profile = drawing(1), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    turned = Image.Exif()
    turned[274] = 6
    deep = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    return [
        *(encoded(drawing(number), name) for number, name in enumerate(FORMATS)),
        *([encoded(drawing(9), "AVIF")] if features.check("avif") else []),
        encoded(drawing(10), "JPEG", icc_profile=profile, exif=turned, progressive=True),
        encoded(drawing(11).convert("CMYK"), "JPEG"),
        encoded(drawing(12).convert("L"), "JPEG"),
        encoded(drawing(13), "PNG", icc_profile=profile),
        encoded(drawing(14).convert("P"), "PNG", transparency=0),
        encoded(drawing(15).convert("RGBA"), "WEBP", lossless=True),
        encoded(deep, "PNG"),
        encoded(drawing(16).convert("F"), "TIFF"),
        *(encoded(drawing(17), "TIFF", compression=name) for name in ("tiff_lzw", "tiff_jpeg", "tiff_adobe_deflate")),
    ]


@pytest.mark.parametrize(
    "chosen",
    [{"resolution": 32}, {"resolution": 64, "format": "webp", "buckets": {"step": 8}}],
    ids=["squares to JPEG", "buckets to WebP"],
)
def test_clean_images_decodes_every_format(box: Callable[..., Box], chosen: dict[str, Any]) -> None:
    here, pictures = box("clean_images"), of_every_kind()
    raw = commit_raw(here.workspace, [[sample(number, image=data) for number, data in enumerate(pictures)]])
    made = here.platen({"clean_images": {"min_side": 16, **chosen}}, uris(dataset=raw)).folder()
    assert [(drop.reason, drop.detail) for drop in read_drops(made.path)] == []
    assert made.manifest.counts["samples"] == len(pictures)


def test_merge_shows_duplicates_of_every_format(box: Callable[..., Box]) -> None:
    here, copy = box("merge"), drawing(3).resize((108, 90))
    good = [sample(number) for number in range(12)]
    bad = [
        sample(20, image=encoded(drawing(2))),
        sample(21, image=encoded(copy, "JPEG", quality=80)),
        sample(22, image=encoded(copy, "WEBP", quality=90)),
    ]
    made = here.platen({}, uris(**cleaned(commit_raw(here.workspace, [[*good, *bad]]), here.workspace))).folder()
    assert made.manifest.dropped == {"exact_duplicate": 1, "near_duplicate": 2}
    assert Counter(path.parent.name for path in made.path.glob("examples/*/*")) == made.manifest.dropped


@pytest.fixture
def merged(box: Callable[..., Box]) -> Folder:
    """A small data set as merge leaves it."""
    workspace = box("merge").workspace
    inputs = uris(**cleaned(commit_raw(workspace, [[sample(number) for number in range(24)]]), workspace))
    split = {"train": 0.6, "validation": 0.2, "test": 0.2}
    return run_stage(MERGE, MergeSettings.model_validate({"split": split}), inputs, workspace).folder


def test_base_takes_over_a_given_model(box: Callable[..., Box], merged: Folder) -> None:
    here = box("base")
    write_tiny_model(here.folder / "given")
    (here.folder / "given" / "clip").rename(here.folder / "clip")
    made = here.platen({"base": {"base_model": "given", "clip": "clip"}}, uris(dataset=merged)).folder()
    assert (made.path / "clip" / "model.safetensors").is_file()
    assert (made.path / "unet" / "diffusion_pytorch_model.safetensors").is_file()


def test_encode_keeps_token_ids(box: Callable[..., Box], merged: Folder, tiny_model: Folder) -> None:
    here = box("encode", tiny_model.path)
    chosen = {"text": "tokens", "dtype": "float16"}
    made = here.platen({"encode": chosen}, uris(dataset=merged, base=tiny_model)).folder()
    latents = np.load(next(made.path.glob("latents/*.npy")))
    assert (len(latents), latents.dtype) == (24, np.float16)
    assert np.load(next(made.path.glob("input_ids/*.npy"))).dtype.kind == "i"


@pytest.fixture
def to_train(box: Callable[..., Box]) -> dict[str, str]:
    """What train starts from."""
    workspace = box("train").workspace
    said = EncodedMetadata(text="embeddings", resolution=64, splits={Split.TRAIN: small_run.SAMPLES}).facts()
    arrays = small_run.commit(small_run.write_encoded, workspace, "encode", "encoded", said)
    return uris(encoded=arrays, base=small_run.commit(small_run.write_base, workspace, "base", "model"))


def test_plan_plans(box: Callable[..., Box], to_train: dict[str, str]) -> None:
    chosen = {"use": True, "global_batch": 8, "samples": 50, "resolution": 64, "caption_tokens": 4}
    made = box("plan").platen({"plan": chosen}, to_train).folder()
    assert json.loads((made.path / "plan.json").read_bytes())["chosen"]["ranks"] >= 1
    assert made.manifest.counts["looked_at"] > 100


def test_train_trains_adapters_with_everything_offloaded(box: Callable[..., Box], to_train: dict[str, str]) -> None:
    here = box("train")
    chosen = {
        **{"preset": "offload", "steps": 6, "global_batch": 8, "micro_batch": 2, "precision": "bf16", "log_every": 1},
        **{"lora": {"rank": 4}, "ema": {"sigma_rel": 0.1}, "checkpoints": {"every": 3, "keep_best": 1}},
        "objective": {"min_snr_gamma": 5.0, "logit_normal": {}, "offset_noise": 0.1},
        "measure": {"trace": {"first_step": 3, "steps": 1}, "usd_per_gpu_hour": 1.0, "probe_links_mib": 1},
    }
    made = here.platen({"train": chosen}, to_train).folder()
    assert len(small_run.losses(made)) == 6
    assert (made.path / "lora" / "pytorch_lora_weights.safetensors").is_file()
    measured = {path.name.rpartition(".")[2] for path in Path(here.workspace, "measured").rglob("*") if path.is_file()}
    assert {"gz", "json"} & measured and len(measured) > 1, measured


def test_train_says_what_needs_a_compiler(box: Callable[..., Box]) -> None:
    said = box("train").run(["python3", "-c", CHECK_MACHINE])
    refused = [line.partition(", but ") for line in said.output.splitlines() if line.startswith("train.")]
    assert [setting for setting, _, _ in refused] == [
        "train.compile: true",
        "train.compile: true",
        "train.zero.quantized_gradients: true",
        "train.zero.offload_optimizer: nvme",
    ], said.output + said.log
    assert all(" or an image with " in why for _, _, why in refused)


def test_generate_reads_a_text_file(box: Callable[..., Box], tiny_model: Folder) -> None:
    here = box("generate", tiny_model.path)
    (here.folder / "prompts.txt").write_text("a red circle\na blue square\n")
    chosen = {"prompts": "prompts.txt", "steps": 2, "size": 64}
    made = here.platen({"generate": chosen}, uris(model=tiny_model)).folder()
    assert made.manifest.counts["pictures"] == len(list(made.path.glob("pictures/*.png"))) == 2


def test_evaluate_sees_with_what_it_is_given(
    box: Callable[..., Box],
    tiny_model: Folder,
    real: Folder,  # noqa: F811
    generated: Folder,  # noqa: F811
) -> None:
    here = box("evaluate", tiny_model.path, real.path, generated.path)
    colours = [{"value": name, "prompts": [f"a {name} circle"], "reference": 0.25} for name in COLOURS]
    chosen = {
        "extractor": str(tiny_model.path / "clip"),
        "min_samples": 10,
        "metrics": {"bias": {"attributes": {"colour": colours}}},
    }
    made = here.platen({"evaluate": chosen}, uris(model=tiny_model, dataset=real, generated=generated)).folder()
    report = json.loads((made.path / "report.json").read_bytes())
    for name in ("held_out_loss", "fid", "kid", "clip_score", "retrieval_accuracy"):
        found = report["metrics"][name]
        assert found["low"] <= found["value"] <= found["high"], name
    assert report["closest"] and report["breakdowns"]["bias.colour"]["values"]


def test_evaluate_says_that_inception_is_not_there(box: Callable[..., Box], tiny_model: Folder) -> None:
    said = box("evaluate", tiny_model.path).run(["python3", "-c", INCEPTION, str(tiny_model.path / "clip")])
    assert "inception needs the package torch-fidelity" in said.output, said.log


def test_gate_compares_with_a_champion(
    box: Callable[..., Box],
    tmp_path: Path,
    evaluated: Any,  # noqa: F811
    metric: Any,  # noqa: F811
) -> None:
    here, workspace = box("gate", tmp_path / "ws"), str(tmp_path / "own" / "ws")
    champion, candidate = (
        evaluated(name, clip_score=metric(value, value - 1, value + 1))
        for name, value in (("old", 75.0), ("new", 70.0))
    )
    releases.promote(workspace, champion["model"], open_folder(champion["model"]).digest, champion["report"])
    rule = {"metric": "clip_score", "direction": "at_least", "against": "champion", "margin": 1.0}
    said = here.platen({"gate": {"rules": [rule]}}, candidate)
    assert said.code == 2, said.log
    assert "clip_score: 69 (low end of its interval) is below the champion" in said.log


def test_deploy_says_that_there_is_no_server_in_its_image(box: Callable[..., Box], tiny_model: Folder) -> None:
    """The server is another image's: see ELSEWHERE in tests/images/test_reach.py."""
    here = box("deploy", tiny_model.path)
    inputs = Bench(here.workspace).inputs(tiny_model)
    said = here.platen({}, inputs)
    assert said.code == 2, said.log
    assert "deploy.deployment: not set, and no server is installed here to test a release on" in said.log


def test_serve_answers(box: Callable[..., Box], tiny_model: Folder) -> None:
    here = box("serve")
    model = Bench(here.workspace).model(tiny_model)
    (here.folder / "settings.yaml").write_text("serve: {steps: 2}")
    command = ["platen", "serve", "--settings=settings.yaml", f"--workspace={here.workspace}", f"--model={model.uri}"]
    with here.running(command) as container:
        code, (picture, said) = container.exec_run(["python3", "-c", ASK], demux=True)
        assert code == 0, (said or b"").decode() + container.logs().decode()
        container.stop(timeout=60)
        assert container.wait()["StatusCode"] == 0, container.logs().decode()
    assert Image.open(io.BytesIO(picture)).size == (64, 64)
    (log,) = Path(releases.request_log(here.workspace, model.digest)).glob("*.jsonl")
    assert json.loads(log.read_text())["status"] == 200


def test_monitor_measures_traffic(box: Callable[..., Box]) -> None:
    here = box("monitor")
    watch = Watch(Path(here.workspace))
    watch.add(72)
    watch.add(40, status=500, prompts=[f"a purple dodecahedron with hat {number}" for number in range(40)])
    made = here.platen({}, watch.inputs).folder()
    report = json.loads((made.path / "report.json").read_bytes())
    assert report["verdict"] == made.manifest.facts["verdict"] == "retrain"
    for rule in report["rules"]:
        low, high = rule["interval"]
        assert low <= rule["value"] <= high, rule


def test_notify_reports_a_run_that_failed(box: Callable[..., Box]) -> None:
    here, hook = box("notify", network="host"), Hook([200])
    fault = ProcessError("rank 1 was killed by SIGKILL")
    _, workspace, run = run_chain(here.folder, "train", fault)
    (here.folder / "ws").symlink_to(workspace)
    (here.folder / "run").symlink_to(run)
    with listening(hook) as address:
        here.environment = {"PLATEN_WEBHOOK_URL": address}
        said = here.platen({"notify": {"webhook_http_hosts": ["127.0.0.1"]}})
    assert said.code == 0, said.log
    assert json.loads(hook.bodies[0])["failure"]["stage"] == "train"
    assert "rank 1 was killed by SIGKILL" in Path(run, "report.html").read_text()


def test_notify_draws_the_report_of_a_whole_run(box: Callable[..., Box]) -> None:
    here = box("notify")
    _, workspace, run = run_chain(here.folder)
    (here.folder / "ws").symlink_to(workspace)
    (here.folder / "run").symlink_to(run)
    said = here.platen({"notify": {"truth": "truth.json"}})
    assert said.code == 0, said.log
    page = Path(run, "report.html").read_text()
    assert "data:image/jpeg" in page and "<svg" in page
