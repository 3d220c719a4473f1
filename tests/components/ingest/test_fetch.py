"""Fetching from servers that mean no good, each a real one."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen import __version__
from platen.components.ingest.fetch import checked_url
from platen.components.ingest.refused import Refused
from platen.components.sample.web import FAULTS, serving
from tests.components.ingest.fetching import BODY, fetch_all, reason


@pytest.fixture
def bad(tmp_path: Path) -> Iterator[str]:
    """host:port of a server with every fault."""
    with serving(tmp_path) as address:
        yield address


def test_a_body_comes_as_it_is(site) -> None:
    site.routes["/a.png"] = (200, {}, BODY)
    assert fetch_all([site.url("/a.png")], allow_hosts=[site.host]) == [BODY]
    assert site.headers[-1]["User-Agent"] == f"platen/{__version__}"
    assert site.headers[-1]["Host"] == site.host
    assert site.headers[-1]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("wanted", FAULTS)
def test_every_fault_has_its_reason(bad: str, wanted: str) -> None:
    urls = [f"http://{bad}{path.format(n=1)}" for path in FAULTS[wanted]]
    deadline = 60.0 if wanted == "body_too_large" else 1.5  # what has an end comes to it, however busy the machine is
    found = fetch_all(urls, allow_hosts=[bad], deadline=deadline, max_bytes=300_000)
    assert [item.reason for item in found if isinstance(item, Refused)] == [wanted] * len(urls)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://localhost/a.png", "data:image/png;base64,AAAA", "//localhost/a.png", "a.png", "",
        "http://", "http://127.0.0.1:{port}/a.png", "http://[::1]:{port}/a.png", "http://[::ffff:127.0.0.1]:{port}/",
        "http://2130706433:{port}/a.png", "http://0x7f.1:{port}/a.png", "http://0:{port}/a.png",
        "http://169.254.169.254/latest/meta-data/", "http://10.1.2.3/a.png", "http://localhost:{port}9/a.png",
        "http://a\nb/", "http://xn--a/x.png", "http:////[", "http://[::1%25]/",
    ],
)  # fmt: skip
def test_addresses_that_must_not_be_asked_are_not(site, url: str) -> None:
    assert reason(url.format(port=site.port), allow_hosts=[site.host]) == "address_refused"
    assert not site.asked


def test_a_private_host_is_refused_unless_it_is_allowed_by_name(site) -> None:
    site.routes["/a.png"] = (200, {}, BODY)
    assert reason(site.url("/a.png")) == "address_refused"
    assert reason(site.url("/a.png"), allow_hosts=["localhost:1"]) == "address_refused"
    assert not site.asked
    assert fetch_all([site.url("/a.png")], allow_hosts=[site.host.upper()]) == [BODY]


def test_redirects_are_followed_and_each_hop_is_checked(site) -> None:
    site.routes["/a"] = (301, {"Location": "/b"}, b"")
    site.routes["/b"] = (307, {"Location": site.url("/c.png")}, b"")
    site.routes["/c.png"] = (200, {}, BODY)
    site.routes["/local"] = (302, {"Location": f"http://127.0.0.1:{site.port}/c.png"}, b"")
    site.routes["/file"] = (302, {"Location": "file:///etc/passwd"}, b"")
    site.routes["/junk"] = (302, {"Location": "gopher://localhost/"}, b"")
    urls = [site.url(path) for path in ("/a", "/local", "/file", "/junk")]
    body, *refused = fetch_all(urls, allow_hosts=[site.host])
    assert body == BODY
    assert [item.reason for item in refused if isinstance(item, Refused)] == ["address_refused"] * 3
    assert site.asked["/c.png"] == 1


@pytest.mark.parametrize("location", ["http:////[", "http://xn--a/x.png", "//[::1", "http://h:x/"])
def test_a_redirect_to_what_is_no_url_is_refused(site, location: str) -> None:
    site.routes["/a"] = (302, {"Location": location}, b"")
    assert reason(site.url("/a"), allow_hosts=[site.host]) == "address_refused"


@given(st.text(st.sampled_from("http://[]:@%?#.xn--a\\é\u2028İ \t\n0159/²\x85"), max_size=20))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    for address in (text, f"http://{text}"):
        with contextlib.suppress(Refused):
            assert checked_url(address).host


def test_redirects_in_a_circle_end(site) -> None:
    site.routes["/a"] = (302, {"Location": "/a"}, b"")
    assert reason(site.url("/a"), allow_hosts=[site.host]) == "http_error"
    assert site.asked["/a"] == 6


def test_a_body_that_ends_early_is_a_failed_connection(site) -> None:
    site.routes["/a.png"] = (200, {"Content-Length": "1000", "Connection": "close"}, BODY)
    assert reason(site.url("/a.png"), allow_hosts=[site.host], retries=1) == "connection_failed"
    assert site.asked["/a.png"] == 2


def test_a_server_that_fails_is_asked_again(site) -> None:
    site.routes["/a.png"] = lambda before: (200, {}, BODY) if before == 2 else (503, {}, b"")
    assert fetch_all([site.url("/a.png")], allow_hosts=[site.host], retries=2) == [BODY]
    assert site.asked["/a.png"] == 3


def test_a_page_that_is_not_there_is_asked_for_once(site) -> None:
    assert reason(site.url("/none.png"), allow_hosts=[site.host], retries=3) == "http_error"
    assert site.asked["/none.png"] == 1


def test_no_attempt_is_begun_that_the_deadline_would_cut(site) -> None:
    site.routes["/a.png"] = (500, {}, b"")
    assert reason(site.url("/a.png"), allow_hosts=[site.host], retries=10, deadline=1.0) == "http_error"
    assert 2 <= site.asked["/a.png"] <= 3


def test_compressed_bodies_are_unpacked_up_to_the_cap(site) -> None:
    site.routes["/a.png"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(BODY))
    site.routes["/b.png"] = (200, {"Content-Encoding": "br"}, BODY)
    site.routes["/c.png"] = (200, {"Content-Encoding": "gzip"}, BODY)
    site.routes["/bomb"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(5_000_000)))
    body, *refused = fetch_all(
        [site.url(path) for path in ("/a.png", "/b.png", "/c.png", "/bomb")], allow_hosts=[site.host], max_bytes=100_000
    )
    assert body == BODY
    assert [r.reason for r in refused if isinstance(r, Refused)] == ["http_error", "http_error", "body_too_large"]


@pytest.mark.parametrize(("cap", "taken"), [(100, True), (99, False)])
def test_the_cap_is_exact(site, cap: int, taken: bool) -> None:
    site.routes["/a.png"] = (200, {}, bytes(100))
    site.routes["/chunked"] = (200, {"Content-Length": "", "Connection": "close"}, bytes(100))
    found = fetch_all([site.url("/a.png"), site.url("/chunked")], allow_hosts=[site.host], max_bytes=cap)
    assert [isinstance(item, bytes) for item in found] == [taken, taken]


def test_robots_txt_is_honoured_and_asked_for_once(site) -> None:
    site.routes["/robots.txt"] = (200, {}, b"User-agent: platen\nDisallow: /private/\n\nUser-agent: *\nDisallow: /\n")
    site.routes["/a.png"] = site.routes["/private/b.png"] = (200, {}, BODY)
    urls = [site.url("/a.png"), site.url("/private/b.png")]
    body, refused = fetch_all(urls, allow_hosts=[site.host])
    assert body == BODY
    assert isinstance(refused, Refused)
    assert refused.reason == "robots_refused"
    assert (site.asked["/robots.txt"], site.asked["/private/b.png"]) == (1, 0)
    assert fetch_all(urls, allow_hosts=[site.host], robots=False) == [BODY, BODY]


@pytest.mark.parametrize(
    "rules",
    [
        b"User-agent: *\nDisallow: /*.jpg$\n",
        b"User-agent: *\nAllow: /\nDisallow: /private/\n",
        b"\xef\xbb\xbfUser-agent: *\nDisallow: /\n",
    ],
)
def test_robots_txt_is_read_as_the_rfc_says(site, rules: bytes) -> None:
    site.routes["/robots.txt"] = (200, {}, rules)
    site.routes["/private/a.jpg"] = (200, {}, BODY)
    assert reason(site.url("/private/a.jpg"), allow_hosts=[site.host]) == "robots_refused"


@pytest.mark.parametrize("rules", ["Disallow: //[x", "Crawl-delay: ²"])
def test_a_robots_txt_with_faults_is_read_all_the_same(site, rules: str) -> None:
    site.routes["/robots.txt"] = (200, {}, f"User-agent: *\n{rules}\nDisallow: /b\n".encode())
    site.routes["/a.png"] = (200, {}, BODY)
    body, refused = fetch_all([site.url("/a.png"), site.url("/b.png")], allow_hosts=[site.host])
    assert body == BODY
    assert isinstance(refused, Refused)


@pytest.mark.parametrize(("status", "allowed"), [(404, True), (403, True), (500, False), (429, False)])
def test_without_robots_txt_all_is_allowed_unless_the_server_fails_to_say(site, status: int, allowed: bool) -> None:
    site.routes["/robots.txt"] = (status, {}, b"")
    site.routes["/a.png"] = (200, {}, BODY)
    [found] = fetch_all([site.url("/a.png")], allow_hosts=[site.host], retries=0)
    assert found == BODY if allowed else isinstance(found, Refused) and found.reason == "robots_refused"


def test_connections_are_used_again(site) -> None:
    site.routes["/a.png"] = (200, {}, BODY)
    found = fetch_all([site.url("/a.png")] * 40, allow_hosts=[site.host], concurrency=4)
    assert found == [BODY] * 40
    assert site.connections <= 5  # robots.txt may have had one of its own


def test_a_proxy_in_the_environment_is_not_used(site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://localhost:1")
    site.routes["/a.png"] = (200, {}, BODY)
    assert fetch_all([site.url("/a.png")], allow_hosts=[site.host]) == [BODY]


def test_credentials_in_a_url_are_not_sent(site) -> None:
    site.routes["/a.png"] = (200, {}, BODY)
    assert fetch_all([f"http://me:secret@{site.host}/a.png"], allow_hosts=[site.host]) == [BODY]
    assert not any("secret" in str(headers) or "Authorization" in headers for headers in site.headers)


def test_a_checked_url_is_http_with_a_host() -> None:
    assert checked_url("HTTPS://EXAMPLE.com/ä").host == "example.com"
    with pytest.raises(Refused, match="only http and https"):
        checked_url("gopher://example.com/")
