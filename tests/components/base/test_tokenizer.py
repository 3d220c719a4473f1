"""A CLIP tokenizer that is trained on captions."""

from __future__ import annotations

from platen.components.base.tokenizer import train_tokenizer


def test_the_tokenizer_keeps_known_words_whole_and_spells_others() -> None:
    captions = ["a red circle", "a red square", "a blue circle"] * 3
    tokenizer = train_tokenizer(captions, 700, 12)
    assert tokenizer.tokenize("a red circle") == ["a</w>", "red</w>", "circle</w>"]
    ids = tokenizer("xylophone é", padding="max_length", truncation=True).input_ids
    assert len(ids) == 12
    assert tokenizer.decode(tokenizer("zebra").input_ids, skip_special_tokens=True).strip() == "zebra"


def test_the_tokenizer_numbers_its_words_alike_each_time() -> None:
    captions = [f"a {colour} {shape}" for colour in ("red", "green") for shape in ("circle", "square")] * 5
    assert train_tokenizer(captions, 700, 12).get_vocab() == train_tokenizer(captions, 700, 12).get_vocab()
