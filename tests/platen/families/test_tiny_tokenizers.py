"""Tokenizers of letters: small, and told from ones that lost their words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from platen.families.layout import check_tokenizer
from platen.families.tiny_tokenizers import clip_tokenizer, mistral_tokenizer, qwen_tokenizer, t5_tokenizer

ALL = [clip_tokenizer, t5_tokenizer, qwen_tokenizer, mistral_tokenizer]
CAPTION = "a red circle"


@pytest.mark.parametrize("make", ALL)
def test_captions_are_told_apart_letter_by_letter(make: Callable[..., Any]) -> None:
    tokenizer = make()
    one, other = (tokenizer(caption, add_special_tokens=False).input_ids for caption in (CAPTION, "a red oval"))
    assert one != other
    assert len(one) >= len(CAPTION.replace(" ", ""))
    assert max(tokenizer.get_vocab().values()) < len(tokenizer) < 600


@pytest.mark.parametrize("make", ALL)
def test_saved_it_passes_the_checks_and_reads_alike(make: Callable[..., Any], tmp_path: Path) -> None:
    tokenizer = make(40)
    tokenizer.save_pretrained(tmp_path)
    check_tokenizer(tmp_path, vocabulary=len(tokenizer))
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.model_max_length == 40
    assert again(CAPTION).input_ids == tokenizer(CAPTION).input_ids


@pytest.mark.parametrize(("make", "content"), [(qwen_tokenizer, CAPTION), (mistral_tokenizer, [{"text": CAPTION}])])
def test_a_chat_s_marks_are_one_token_each(make: Callable[..., Any], content: Any) -> None:
    tokenizer = make()
    text = tokenizer.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
    ids = tokenizer(text, add_special_tokens=False).input_ids
    marks = [tokenizer.start, tokenizer.end] if hasattr(tokenizer, "start") else []
    assert CAPTION in text
    assert all(tokenizer.convert_tokens_to_ids(mark) in ids for mark in marks)
