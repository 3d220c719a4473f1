"""HTML to the text that a browser shows."""

from __future__ import annotations

from html.parser import HTMLParser

UNSEEN = frozenset({"script", "style", "head", "title", "template", "noscript"})
INLINE = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "kbd", "mark", "q", "s", "small"}
)
INLINE |= {"span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr"}


def without_markup(text: str) -> str:
    """The text without tags, comments and entities; a block's ends become spaces."""
    if "<" not in text and "&" not in text:
        return text
    parser = _Text()
    parser.feed(text)
    parser.close()
    return "".join(parser.parts)


class _Text(HTMLParser):
    """Collects what is shown."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in UNSEEN
        self._space(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._space(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in UNSEEN and self._unseen:
            self._unseen -= 1
        self._space(tag)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(data)

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Take `<![anything` for a comment, as browsers do; the parser itself stops at what it does not know."""
        return self.parse_bogus_comment(i)

    def _space(self, tag: str) -> None:
        if tag not in INLINE:
            self.parts.append(" ")
