from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.serve.protocol import MAX_SEED, ImageRequest, Limits, RefusalError, accept, answer

LIMITS = Limits("platen", (64, 64), 8, 4, 25, 100, 2.0, 50, 10, lambda prompt: len(prompt.split()))
PROMPT = "a red circle"


def order(**fields: object):  # type: ignore[no-untyped-def]
    return accept(json.dumps({"prompt": PROMPT, **fields}).encode(), LIMITS)


def refusal(body: bytes) -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        accept(body, LIMITS)
    return caught.value


def test_what_is_left_out_comes_from_the_model_and_the_settings() -> None:
    found = order()
    assert (found.prompt, found.n, found.size, found.steps) == (PROMPT, 1, "64x64", 25)
    assert 0 <= found.seed < 2**32


def test_without_a_seed_each_request_has_its_own() -> None:
    assert len({order().seed for _ in range(20)}) > 1


def test_null_is_as_good_as_left_out() -> None:
    nulls = dict.fromkeys(set(ImageRequest.model_fields) - {"prompt", "seed"})
    assert order(**nulls, seed=1) == order(seed=1)
    assert 0 <= order(seed=None).seed < 2**32


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "platen"),
        ("n", 4),
        ("size", "auto"),
        ("size", "64x64"),
        ("size", "32x128"),
        ("size", "8x8"),
        ("seed", MAX_SEED),
        ("steps", 100),
        ("guidance_scale", 0),
        ("response_format", "b64_json"),
        ("output_format", "png"),
        ("quality", "auto"),
        ("quality", "standard"),
        ("background", "opaque"),
        ("stream", False),
        ("partial_images", 0),
        ("user", "somebody"),
        ("safety_identifier", "somebody"),
    ],
)
def test_what_is_supported_is_accepted(field: str, value: object) -> None:
    assert order(**{field: value}).prompt == PROMPT


@pytest.mark.parametrize(
    ("field", "value", "code", "named"),
    [
        ("prompt", "", "invalid_value", "blank"),
        ("prompt", " \n", "invalid_value", "blank"),
        ("prompt", "a\x00b", "invalid_value", "control characters"),
        ("prompt", 5, "invalid_value", "a text"),
        ("prompt", "x" * 51, "string_above_max_length", "50 at most"),
        ("prompt", "a b c d e f g h i j k", "string_above_max_length", "11 tokens long. Accepted: 10 at most"),
        ("n", 0, "invalid_value", "from 1"),
        ("n", 5, "integer_above_max_value", "1 to 4"),
        ("n", True, "invalid_value", "a number"),
        ("n", "2", "invalid_value", "a number"),
        ("n", 1.5, "invalid_value", "a number"),
        ("size", "63x64", "invalid_value", "auto, 64x64, or WIDTHxHEIGHT, both multiples of 8 up to 128"),
        ("size", "64x72", "invalid_value", "of 4096 pixels at most"),
        ("size", "8x136", "invalid_value", "up to 128"),
        ("size", "0x64", "invalid_value", "multiples of 8"),
        ("size", "064x64 ", "invalid_value", "auto"),
        ("size", "-64x64", "invalid_value", "auto"),
        ("size", 64, "invalid_value", "auto"),
        ("seed", -1, "invalid_value", "from 0"),
        ("seed", MAX_SEED + 1, "invalid_value", str(MAX_SEED)),
        ("steps", 101, "integer_above_max_value", "1 to 100"),
        ("guidance_scale", 51, "invalid_value", "0 to 50"),
        ("response_format", "url", "invalid_value", "b64_json"),
        ("output_format", "jpeg", "invalid_value", "png"),
        ("quality", "hd", "invalid_value", "standard"),
        ("background", "transparent", "invalid_value", "opaque"),
        ("stream", True, "invalid_value", "false"),
        ("partial_images", 1, "invalid_value", "0"),
        ("user", "x" * 257, "invalid_value", "256"),
        ("style", "vivid", "unsupported_parameter", "in the prompt"),
        ("moderation", "auto", "unsupported_parameter", "does not moderate"),
        ("output_compression", 50, "unsupported_parameter", "PNG"),
        ("svg", {"model": "x"}, "unsupported_parameter", "PNG"),
        ("negative_prompt", "blue", "unknown_parameter", "not known"),
        ("seeed", 1, "unknown_parameter", "seed (did you mean that?)"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(field: str, value: object, code: str, named: str) -> None:
    found = refusal(json.dumps({"prompt": PROMPT, field: value}).encode())
    assert (found.status, found.param, found.code) == (400, field, code)
    assert named in str(found)


def test_another_model_is_not_found() -> None:
    found = refusal(json.dumps({"prompt": PROMPT, "model": "gpt-image-1"}).encode())
    assert (found.status, found.param, found.code) == (404, "model", "model_not_found")


def test_the_seed_of_the_last_picture_is_a_seed_too() -> None:
    found = refusal(json.dumps({"prompt": PROMPT, "seed": MAX_SEED - 1, "n": 3}).encode())
    assert (found.param, found.code) == ("seed", "integer_above_max_value")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff", b'{"prompt": "\\ud800"}'])
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    found = refusal(body)
    assert found.status == 400
    assert set(found.body["error"]) == {"message", "type", "param", "code"}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3))
@pytest.mark.parametrize("field", sorted(ImageRequest.model_fields))
def test_any_value_is_accepted_or_refused_with_the_name_of_its_field(field: str, value: Any) -> None:
    try:
        found = accept(json.dumps({"prompt": PROMPT, field: value}).encode(), LIMITS)
    except RefusalError as error:
        assert error.param == field or error.code == "invalid_json"  # NaN and lone surrogates are no JSON
        assert error.status in (400, 404)
    else:
        assert 1 <= found.n <= 4


@given(st.binary(max_size=200))
def test_any_body_is_accepted_or_refused(body: bytes) -> None:
    try:
        accept(body, LIMITS)
    except RefusalError as error:
        assert error.status in (400, 404)


def test_the_answer_has_each_picture_with_its_seed() -> None:
    body = answer(order(n=2, seed=7), [b"one", b"two"], 123, {"model": "platen"})
    assert [entry["seed"] for entry in body["data"]] == [7, 8]
    assert [base64.b64decode(entry["b64_json"]) for entry in body["data"]] == [b"one", b"two"]
    assert (body["created"], body["size"], body["model"]) == (123, "64x64", "platen")


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid_request_error"), (429, "rate_limit_error"), (503, "server_error")]
)
def test_the_type_of_an_error_follows_its_status(status: int, kind: str) -> None:
    assert RefusalError(status, "words", code="x").body["error"]["type"] == kind
