"""The page at `/`, in a real browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import httpx
import pytest

from platen.components.serve.app import PAGE
from tests.components.serve.browser import Browser, browsing
from tests.components.serve.conftest import RunningServer

CHROMIUM = shutil.which("chromium")
PROMPT = "a red circle on a white background"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with browsing(CHROMIUM, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, server: RunningServer) -> Browser:
    browser.open(f"{server.url}/")
    browser.wait_for("document.getElementById('steps') && document.getElementById('steps').value !== ''")
    return browser


def make(page: Browser, prompt: str = PROMPT, **values: int) -> None:
    for name, value in values.items():
        page.run(f"document.getElementById('{name}').value = {value}")
    page.run("document.getElementById('prompt').focus()")
    page.type(prompt)
    page.press("Enter", 13, "\r")


def test_the_page_needs_nothing_from_elsewhere(server: RunningServer) -> None:
    response = httpx.get(f"{server.url}/")
    assert response.text == PAGE.read_text()
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//|@import|url\(", response.text)
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_a_prompt_typed_on_the_keyboard_makes_pictures_with_their_seeds(page: Browser) -> None:
    make(page, n=3, seed=40)
    page.wait_for("document.querySelectorAll('figure img').length === 3")
    seeds = page.run("[...document.querySelectorAll('figcaption button')].map((one) => one.textContent)")
    widths = page.run("Promise.all([...document.images].map(async (one) => (await one.decode(), one.naturalWidth)))")
    assert seeds == ["seed 40", "seed 41", "seed 42"]
    assert widths == [64, 64, 64]
    assert page.run("document.querySelector('h2').textContent") == PROMPT


def test_the_form_knows_the_limits_of_the_model(page: Browser) -> None:
    limits = page.run("['n', 'steps'].map((id) => document.getElementById(id).max)")
    assert limits == ["4", "1000"]
    assert "64 × 64 pixels" in page.run("document.getElementById('model').textContent")


def test_an_error_is_shown_in_words_and_goes_away(page: Browser) -> None:
    make(page, "circle " * 31)
    shown = page.wait_for("document.getElementById('error').hidden === false && document.body.innerText")
    assert "prompt is 217 characters long. Accepted: 200 at most." in shown
    page.run("document.getElementById('prompt').value = ''")
    make(page, n=1)
    page.wait_for("document.querySelectorAll('figure img').length === 1")
    assert page.run("document.getElementById('error').hidden")


def test_stop_ends_the_work_on_the_server(page: Browser, server: RunningServer) -> None:
    make(page, n=4, steps=1000)
    server.wait_for(lambda: server.metric("platen_requests_in_flight") == 1)
    page.run("document.getElementById('stop').click()")
    page.wait_for("document.getElementById('status').textContent === 'Stopped.'")
    server.wait_for(lambda: server.metric("platen_requests_in_flight") == 0)
    assert server.requests()[-1]["status"] == 499


def test_what_is_typed_is_text_and_never_markup(page: Browser) -> None:
    make(page, "<img src=x onerror=alert(1)>", n=1)
    page.wait_for("document.querySelectorAll('figure img').length === 1")
    assert page.run("document.querySelector('h2').children.length") == 0
    assert page.run("document.querySelector('h2').textContent") == "<img src=x onerror=alert(1)>"


def test_nothing_is_wider_than_a_telephone(page: Browser, server: RunningServer) -> None:
    page.open(f"{server.url}/", width=360, height=700)
    page.wait_for("document.readyState === 'complete'")
    assert page.run("document.documentElement.scrollWidth") <= 360
