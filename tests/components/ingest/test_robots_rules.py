"""robots.txt as RFC 9309 reads it: its own examples, what strangers write, and any bytes at all."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.ingest.robots_rules import allows, matches, product_token, read_rules

SIMPLE = b"""\
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""
LONGEST = b"""\
User-Agent: foobot
Allow: /example/page/
Disallow: /example/page/disallowed.gif
"""


def allowed(text: str | bytes, path: str, agent: str = "platen/1.0") -> bool:
    return allows(read_rules(text if isinstance(text, bytes) else text.encode(), agent), path)


def to_all(*lines: str) -> str:
    return "\n".join(["User-agent: *", *lines])


@pytest.mark.parametrize(
    ("agent", "path", "answer"),
    [
        ("otherbot/1.0", "/a.gif", False),
        ("otherbot/1.0", "/a.gif?size=1", True),
        ("otherbot/1.0", "/example/page.html", False),
        ("otherbot/1.0", "/publications/page.html", True),
        ("otherbot/1.0", "/publications/a.gif", True),  # 15 octets against 6
        ("otherbot/1.0", "/anything", True),
        ("FooBot/2.1 (+http://foo)", "/publications/page.html", False),
        ("foobot", "/example/page.html", True),
        ("foobot", "/example/allowed.gif", True),
        ("foobot", "/example/other.gif", False),
        ("barbot", "/example/page.html", False),
        ("bazbot", "/example/page.html", False),
        ("bazbot", "/example/a.gif", True),
        ("quxbot", "/example/page.html", True),  # a group without rules is not that of all others
    ],
)
def test_the_simple_example_of_the_rfc(agent: str, path: str, answer: bool) -> None:
    assert allowed(SIMPLE, path, agent) is answer


@pytest.mark.parametrize(("path", "answer"), [("/example/page/disallowed.gif", False), ("/example/page/a.gif", True)])
def test_the_longest_match_example_of_the_rfc(path: str, answer: bool) -> None:
    assert allowed(LONGEST, path, "foobot") is answer


@pytest.mark.parametrize(
    ("lines", "refused", "taken"),
    [
        (["Disallow: /*.jpg$"], ["/a.jpg", "/b/c.jpg"], ["/a.jpg?x", "/a.jpeg", "/jpg"]),
        (["Allow: /", "Disallow: /private/"], ["/private/a.jpg"], ["/a.jpg", "/private"]),
        (["Disallow: /a", "Allow: /a"], [], ["/a", "/ab"]),  # of two as long the one that allows
        (["Disallow: /p*/x", "Allow: /pics"], ["/p/x"], ["/pics/y", "/pics/x"]),
        (["Disallow: /a*b*c$"], ["/abc", "/axbxbxc"], ["/acb", "/abcd"]),
        (["Disallow: /file-with-a-%2A.html"], ["/file-with-a-*.html"], ["/file-with-a-b.html"]),
        (["Disallow: /price-in-$", "Disallow: /in$tead"], ["/price-in-", "/in$tead", "/in%24tead"], ["/price-in-$"]),
        (["Disallow: /foo/bar/ツ"], ["/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84"], ["/foo/bar/"]),
        (["Disallow: /foo/bar/%62%61%7A"], ["/foo/bar/baz", "/foo/bar/%62az"], ["/foo/bar/"]),
        (["Disallow: /a%2fb"], ["/a%2Fb"], ["/a/b"]),  # a reserved character is not what its octets are
        (["Disallow: /search?*q="], ["/search?x=1&q=2"], ["/search"]),
        (["Disallow:", "Disallow: # none"], [], ["/", "/a"]),
        (["Disallow: private"], [], ["/private", "/"]),
        (["Disallow: /"], ["/", "/a"], ["/robots.txt"]),
        (["disALLOW : /a # why", "Noindex: /b"], ["/a"], ["/b"]),
    ],
)
def test_patterns(lines: list[str], refused: list[str], taken: list[str]) -> None:
    text = to_all(*lines)
    assert [path for path in [*refused, *taken] if not allowed(text, path)] == refused


def test_groups_of_one_agent_count_together_and_names_have_no_case() -> None:
    text = "User-agent: PLATEN\nDisallow: /a\n\nUser-agent: x\nDisallow: /x\n\nUser-agent: platen/9\nDisallow: /b\n"
    assert [allowed(text, path) for path in ("/a", "/b", "/x")] == [False, False, True]
    assert not allowed(to_all("Disallow: /a") + "\n" + to_all("Disallow: /b"), "/a")
    assert allowed("User-agent: plat\nDisallow: /\n", "/a")  # the whole token, not how it begins


def test_other_lines_neither_end_a_group_nor_begin_one() -> None:
    text = "Disallow: /before\nUser-agent: platen\nCrawl-delay: ²\n\nSitemap: //[x\nUser-agent: b\nDisallow: //[x\n"
    assert [allowed(text, path) for path in ("/before", "//[x", "/a")] == [True, False, True]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks(start: bytes, end: str) -> None:
    assert not allowed(start + to_all("Disallow: /").replace("\n", end).encode(), "/a")


def test_a_separator_of_lines_in_unicode_is_none_here() -> None:
    assert not allowed(to_all("Disallow: /a\u2028Allow: /a"), "/a%E2%80%A8Allow:%20/a")


@pytest.mark.parametrize(
    ("agent", "token"), [("platen/0.1", "platen"), ("My-Bot_x (me@a.org)", "my-bot_x"), ("7bot", ""), ("", "")]
)
def test_product_tokens(agent: str, token: str) -> None:
    assert product_token(agent) == token
    assert allowed("User-agent: 7bot\nDisallow: /\n", "/a", agent)  # no token is nobody's


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode()), st.text(max_size=40))
def test_any_bytes_are_rules(data: bytes, path: str) -> None:
    for text in (data, b"User-agent: *\nDisallow: " + data):
        assert allows(read_rules(text, "platen/1.0"), path.encode(errors="replace").decode()) in (True, False)


@given(st.text(max_size=40, alphabet=st.characters(exclude_categories=["Cs"])))
def test_no_rules_allow_everything(path: str) -> None:
    assert allowed(b"", path)
    assert allowed(b"User-agent: *\n", path)


@given(st.text("ab*", max_size=12), st.booleans(), st.text("ab", max_size=12))
def test_patterns_match_as_a_regular_expression_would(pattern: str, to_the_end: bool, path: str) -> None:
    meant = pattern.replace("*", ".*") + ("$" if to_the_end else "")
    assert matches(pattern + "$" * to_the_end, path) is bool(re.match(meant, path))


@pytest.mark.timeout(20)
def test_patterns_made_to_take_long_do_not() -> None:
    text = to_all("Disallow: /" + "*a" * 100_000 + "*b$", *["Disallow: /*b" + "a" * 98] * 1000)
    assert allowed(text, "/" + "a" * 60_000)
