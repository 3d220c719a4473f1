"""Answers that a real server gives only under load or in a rollout, from a transport of the test's own."""

from __future__ import annotations

import base64

import httpx
import pytest

from platen.components.deploy.smoke import Asking
from platen.core.errors import ProcessError

DIGEST = "d" * 64
PICTURE = {"model_digest": DIGEST, "data": [{"b64_json": base64.b64encode(b"png").decode()}]}
BUSY = httpx.Response(429, json={"error": {"message": "12 pictures wait already"}}, headers={"Retry-After": "0"})


def asking(*answers: httpx.Response, seconds: float = 60) -> Asking:
    left = iter(answers)
    client = httpx.Client(base_url="http://serve", transport=httpx.MockTransport(lambda request: next(left)))
    return Asking(client, DIGEST, seconds)


def test_a_server_that_others_keep_busy_is_asked_again() -> None:
    assert asking(BUSY, BUSY, httpx.Response(200, json=PICTURE)).ask("a red circle", 0) == b"png"


def test_a_server_that_stays_busy_is_not_waited_for_without_end() -> None:
    with pytest.raises(ProcessError, match=r"returned status 429: .*12 pictures wait already"):
        asking(BUSY, BUSY, seconds=0).ask("a red circle", 0)


def test_an_answer_of_another_model_is_none() -> None:
    with pytest.raises(ProcessError, match=r"the model eeee.* answered instead of dddd"):
        asking(httpx.Response(200, json={**PICTURE, "model_digest": "e" * 64})).ask("a red circle", 0)
