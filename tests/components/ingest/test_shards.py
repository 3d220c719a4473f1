"""From sources to shards."""

from __future__ import annotations

import pytest

from platen.components.ingest.shards import extension_of


@pytest.mark.parametrize(
    ("name", "data", "extension"),
    [
        ("a.jpg", b"\x89PNG\r\n\x1a\n", "png"),
        ("a.png", b"\xff\xd8\xff\xe0", "jpg"),
        ("a", b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp"),
        ("http://a/b.JPEG?w=5", b"<html>", "jpg"),
        ("a.gif", b"GIF89a", "gif"),
        ("a", b"", "bin"),
    ],
)
def test_the_extension_says_what_the_bytes_are(name: str, data: bytes, extension: str) -> None:
    assert extension_of(name, data) == extension
