"""Counting texts whose ends the text encoder does not read."""

from __future__ import annotations

import pytest

from platen.families.truncation import count_truncated


def words(text: str) -> int:
    return len(text.split())


def test_a_text_of_just_the_length_is_whole(caplog: pytest.LogCaptureFixture) -> None:
    assert count_truncated(["a b c", "a", ""], words, 3, "captions") == 0
    assert count_truncated([], words, 3, "captions") == 0
    assert not caplog.records


def test_one_warning_with_the_count_and_the_start_of_an_example(caplog: pytest.LogCaptureFixture) -> None:
    texts = ["a", "first " * 100, "second " * 100]
    assert count_truncated(iter(texts), words, 3, "prompts") == 2
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message.startswith("2 of 3 prompts are longer than the 3 tokens that the text encoder reads;")
    assert record.message.endswith("first ...") and len(record.message) < 300
