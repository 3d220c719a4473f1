"""The server as a process, called by the official client."""

from __future__ import annotations

import base64
import io
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai
import pytest
from openai.types import ImagesResponse
from PIL import Image

from platen.artifacts.model import ModelRecord
from platen.components.serve.server import bind
from platen.components.serve.settings import ServeSettings
from platen.core.errors import InputError
from platen.core.settings import Settings
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage, run_stage
from platen.families.registry import family_named
from tests.components.serve.conftest import RunningServer, StartServer

PROMPT = "a red circle on a white background"
TRANSFORMERS = ("flux", "pixart-sigma")  # the second one's pipeline has no callback_on_step_end
SLOW = {"steps": 1000}  # of the tiny model: some seconds


def ask(server: RunningServer, prompt: str = PROMPT, n: int = 1, **extra: object) -> ImagesResponse:
    return server.client().images.generate(prompt=prompt, n=n, extra_body=extra)


def pictures(response: ImagesResponse) -> list[bytes]:
    return [base64.b64decode(image.b64_json or "") for image in response.data or []]


def test_the_official_client_gets_pictures(server: RunningServer, tiny_model: Folder) -> None:
    response = server.client().images.generate(
        prompt=PROMPT, n=2, size="64x64", model="platen", response_format="b64_json", extra_body={"seed": 7}
    )
    images = [Image.open(io.BytesIO(png)) for png in pictures(response)]
    assert [image.size for image in images] == [(64, 64), (64, 64)]
    assert [image.info["seed"] for image in images] == ["7", "8"]
    assert images[0].info["model"] == tiny_model.digest
    assert response.output_format == "png"


@pytest.mark.parametrize("family", TRANSFORMERS)
def test_a_transformer_is_served_at_the_resolution_it_was_trained_at(
    family: str, start_server: StartServer, tmp_path: Path
) -> None:
    def work(settings: Settings, inputs: Inputs, place: Place) -> Outcome:
        family_named(family).tiny(place.out, seed=0)
        ModelRecord(family=family, resolution=(64, 32)).write(place.out)
        return Outcome(counts={})

    stage = Stage(name="train", version=1, kind="model", settings=Settings, inputs={}, work=work)
    model = run_stage(stage, Settings(), {}, str(tmp_path)).folder
    server = start_server(model=model, steps=2)
    (card,) = server.client().models.list().data
    assert card.sizes == ["64x32"]  # type: ignore[attr-defined]
    first = pictures(ask(server, n=2, seed=7))
    assert {Image.open(io.BytesIO(png)).size for png in first} == {(64, 32)}
    assert len(set(first)) == 2
    assert pictures(ask(server, seed=8)) == first[1:]
    (other,) = pictures(server.client().images.generate(prompt=PROMPT, size="32x64"))
    assert Image.open(io.BytesIO(other)).size == (32, 64)
    with pytest.raises(openai.BadRequestError, match=r"prompt is \d+ tokens long"):
        ask(server, "circle " * 140)


def test_picture_i_of_seed_s_is_picture_0_of_seed_s_plus_i(server: RunningServer) -> None:
    many = pictures(ask(server, n=3, seed=20))
    assert len(set(many)) == 3
    assert [pictures(ask(server, seed=20 + i))[0] for i in range(3)] == many


def test_the_same_seed_gives_the_same_bytes_whatever_else_is_served(server: RunningServer) -> None:
    alone = pictures(ask(server, seed=3))[0]
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(ask, server, f"a blue square number {i}", seed=i, steps=3 + i) for i in range(3)]
        among = pool.submit(ask, server, seed=3)
        assert pictures(among.result())[0] == alone
        assert len({pictures(other.result())[0] for other in others}) == 3


def test_without_a_seed_the_answer_names_the_one_that_was_taken(server: RunningServer) -> None:
    response = ask(server)
    seed = (response.data or [])[0].seed  # type: ignore[attr-defined]
    assert pictures(ask(server, seed=seed)) == pictures(response)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"size": "1024x1024"}, "size"),
        ({"n": 5}, "n"),
        ({"response_format": "url"}, "response_format"),
        ({"quality": "hd"}, "quality"),
        ({"style": "vivid"}, "style"),
        ({"background": "transparent"}, "background"),
        ({"output_format": "webp"}, "output_format"),
        ({"extra_body": {"seed": -1}}, "seed"),
        ({"extra_body": {"stream": True}}, "stream"),
        ({"extra_body": {"negative_prompt": "blue"}}, "negative_prompt"),
        ({"prompt": " "}, "prompt"),
        ({"prompt": "x" * 201}, "prompt"),
        ({"prompt": "circle " * 31}, "prompt"),
    ],
)
def test_the_client_is_told_which_field_is_refused(
    server: RunningServer, fields: dict[str, object], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        server.client().images.generate(**{"prompt": PROMPT, **fields})  # type: ignore[call-overload]
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
    assert "Accepted: " in caught.value.message


def test_models_are_listed_and_others_are_not_found(server: RunningServer, tiny_model: Folder) -> None:
    [model] = server.client().models.list().data
    assert (model.id, model.sizes) == ("platen", ["64x64"])  # type: ignore[attr-defined]
    assert server.client().models.retrieve("platen").digest == tiny_model.digest  # type: ignore[attr-defined]
    with pytest.raises(openai.NotFoundError) as caught:
        server.client().images.generate(prompt=PROMPT, model="gpt-image-1")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize("announced", [True, False], ids=["length_announced", "in_chunks"])
def test_a_body_over_the_limit_is_refused(server: RunningServer, announced: bool) -> None:
    body = b'{"prompt": "' + b"x" * 100_000 + b'"}'
    content = body if announced else (body[i : i + 1000] for i in range(0, len(body), 1000))
    headers = {"content-type": "application/json"}
    response = httpx.post(f"{server.url}/v1/images/generations", content=content, headers=headers)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "body_too_large"


def test_only_json_is_taken(server: RunningServer) -> None:
    response = httpx.post(f"{server.url}/v1/images/generations", data={"prompt": PROMPT})
    assert response.status_code == 415
    assert "application/json" in response.json()["error"]["message"]


@pytest.mark.parametrize(("path", "status"), [("/v1/nothing", 404), ("/v1/images/generations", 405)])
def test_other_addresses_are_answered_in_the_same_shape(server: RunningServer, path: str, status: int) -> None:
    response = httpx.get(server.url + path)
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_a_full_queue_is_told_to_come_back_and_a_client_that_leaves_frees_it(server: RunningServer) -> None:
    with ThreadPoolExecutor(1) as pool:
        client = server.client().with_options(timeout=2.0)
        leaving = pool.submit(client.images.generate, prompt=PROMPT, n=4, extra_body=SLOW)
        server.wait_for(lambda: server.metric("platen_queued_pictures") == 3)
        with pytest.raises(openai.RateLimitError) as caught:
            ask(server, n=2)
        assert int(caught.value.response.headers["Retry-After"]) >= 1
        with pytest.raises(openai.APITimeoutError):
            leaving.result()
    server.wait_for(lambda: server.metric("platen_requests_in_flight") == 0)
    assert server.metric("platen_queued_pictures") == 0
    assert len(pictures(ask(server, n=4))) == 4
    assert [line["status"] for line in server.requests()][-3:] == [429, 499, 200]


def test_a_client_that_leaves_ends_its_picture_within_a_step(server: RunningServer) -> None:
    before = server.metric("platen_step_duration_seconds_count")
    with pytest.raises(openai.APITimeoutError):
        server.client().with_options(timeout=0.5).images.generate(prompt=PROMPT, extra_body=SLOW)
    ask(server, seed=1)
    server.wait_for(lambda: server.metric("platen_requests_in_flight") == 0)
    assert server.metric("platen_step_duration_seconds_count") - before < 900


def test_a_request_over_its_deadline_is_ended(start_server: StartServer) -> None:
    server = start_server(deadline=0.5, max_steps=1000)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(server, n=4, **SLOW)
    assert caught.value.status_code == 504
    assert caught.value.code == "deadline_exceeded"
    assert server.terminate() == 0


@pytest.mark.soak("test_shutdown has the same with one more request in the queue")
def test_sigterm_lets_what_was_accepted_finish(start_server: StartServer) -> None:
    server = start_server(max_steps=1000, drain=600, deadline=600)
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ask, server, n=2, steps=150, seed=5)
        server.wait_for(lambda: server.metric("platen_requests_in_flight") == 1)
        server.process.terminate()
        server.wait_for(lambda: httpx.get(f"{server.url}/readyz").status_code == 503)
        with pytest.raises(openai.InternalServerError) as caught:
            ask(server)
        assert len(pictures(running.result())) == 2
    assert caught.value.code == "shutting_down"
    assert server.process.wait(60) == 0
    assert [line["status"] for line in server.requests()] == [503, 200]


def test_what_does_not_finish_in_time_after_sigterm_is_told(start_server: StartServer) -> None:
    server = start_server(max_steps=1000, drain=0)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ask, server, n=4, **SLOW)
        server.wait_for(lambda: server.metric("platen_requests_in_flight") == 1)
        assert server.terminate() == 0
        with pytest.raises(openai.InternalServerError) as caught:
            running.result()
    assert (caught.value.status_code, caught.value.code) == (503, "shutting_down")


def test_the_log_and_the_metrics_tell_of_each_request(server: RunningServer, tiny_model: Folder) -> None:
    made = server.metric("platen_pictures_total")
    raw = server.client().images.with_raw_response.generate(prompt=PROMPT, n=2, user="me", extra_body={"seed": 4})
    last = server.requests()[-1]
    assert last["id"] == raw.headers["x-request-id"]
    assert (last["prompt"], last["n"], last["seed"], last["user"]) == (PROMPT, 2, 4, "me")
    assert (last["status"], last["size"], last["model"]) == (200, "64x64", tiny_model.digest)
    assert server.metric("platen_pictures_total") - made == 2


def test_a_server_that_is_loading_is_well_but_not_ready(start_server: StartServer) -> None:
    server = start_server(ready=False)
    server.wait_for(lambda: bool(server.url))
    health, ready = (httpx.get(f"{server.url}/{name}") for name in ("healthz", "readyz"))
    with pytest.raises(openai.InternalServerError) as caught:
        ask(server)
    assert (health.status_code, ready.status_code, ready.json()["state"]) == (200, 503, "loading")
    assert caught.value.code == "model_loading"
    assert server.terminate() == 0


def test_a_port_that_is_taken_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"serve\.port: {port} on 127\.0\.0\.1 .*Accepted: a free port"):
            bind("127.0.0.1", port)


def test_a_user_s_mistake_ends_the_process_with_2(start_server: StartServer, server: RunningServer) -> None:
    port = httpx.URL(server.url).port
    second = start_server(ready=False, port=port)
    assert "serve.port" in second.last_words()
    third = start_server(ready=False, stepps=3)
    assert "serve.stepps: unknown setting" in third.last_words()
    assert (second.process.returncode, third.process.returncode) == (2, 2)


def test_a_model_with_a_file_missing_is_named(start_server: StartServer, tiny_model: Folder, tmp_path: Path) -> None:
    broken = tmp_path / "ws" / "train" / "broken"
    shutil.copytree(tiny_model.path, broken)
    (broken / "vae" / "config.json").unlink()
    argv = [sys.executable, "-m", "platen.components.serve.main", "--model", str(broken), "--port", "0"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert f"{broken}/vae/config.json: missing" in done.stderr


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="steps is 200, above max_steps 100"):
        ServeSettings(steps=200)
    with pytest.raises(ValueError, match="max_n is 50, but queue has room for 32"):
        ServeSettings(max_n=50)
