"""The routes, without a model behind them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, get_args

import httpx
import pytest

from platen.components.serve.app import SAYS, create_app
from platen.components.serve.engine import State
from platen.components.serve.metrics import Metrics
from platen.components.serve.settings import ServeSettings

CARD = {"id": "platen", "object": "model"}


def service(state: str = "ready", digest: str | None = "ab") -> Any:
    """What the routes ask of a service, its engine in some state."""
    engine = SimpleNamespace(state=state, stays=state not in ("leaving", "draining"))
    return SimpleNamespace(
        engine=engine, digest=digest, settings=ServeSettings(), metrics=Metrics("platen", digest), card=lambda: CARD
    )


def ask(of: Any, path: str, method: str = "GET") -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(of))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path)

    return asyncio.run(send())


@pytest.mark.parametrize("state", get_args(State))
def test_every_state_is_said_in_words_and_only_a_ready_server_gets_requests(state: str) -> None:
    ready, well = ask(service(state), "/readyz"), ask(service(state), "/healthz")
    assert (ready.status_code == 200) is (state == "ready")
    assert (well.status_code == 200) is (state != "failed"), "what loads or drains must not be restarted"
    assert ready.json() == well.json() == {"state": state, "message": SAYS[state]}  # type: ignore[index]


def test_a_server_without_a_model_lists_none_and_finds_none() -> None:
    empty = service(digest=None)
    assert ask(empty, "/v1/models").json() == {"object": "list", "data": []}
    assert ask(empty, "/v1/models/platen").status_code == 404
    assert ask(service(), "/v1/models").json()["data"] == [CARD]
    assert ask(service(), "/v1/models/platen").json() == CARD


def test_another_model_is_refused_by_what_is_served_here() -> None:
    answer = ask(service(), f"/v1/models/{'x' * 500}")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "Accepted: 'platen'" in error["message"]
    assert len(error["message"]) < 200


def test_an_unknown_address_and_a_wrong_method_are_answered_in_the_shape_of_errors() -> None:
    unknown = ask(service(), "/v2/none")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_url")
    wrong = ask(service(), "/v1/models", "DELETE")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "unknown_url")
    assert wrong.headers["allow"] == "GET"


def test_clients_are_sent_elsewhere_once_the_server_was_asked_to_end() -> None:
    assert "connection" not in ask(service(), "/healthz").headers
    for path in ("/healthz", "/v2/none", "/"):
        assert ask(service("leaving"), path).headers["connection"] == "close"


def test_the_page_may_load_nothing_and_the_documentation_pages_are_off() -> None:
    page = ask(service(), "/")
    assert page.headers["content-security-policy"].startswith("default-src 'none';")
    assert [ask(service(), path).status_code for path in ("/docs", "/redoc")] == [404, 404]
