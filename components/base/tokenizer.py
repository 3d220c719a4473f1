"""A CLIP tokenizer trained on captions."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"


def train_tokenizer(captions: Sequence[str], vocabulary: int, tokens: int) -> CLIPTokenizer:
    """Byte-pair encoding learnt from captions, laid out as CLIP's own (OpenAI CLIP, simple_tokenizer).

    Args:
        captions: What it learns from.
        vocabulary: Most entries.
        tokens: Length that captions are padded or cut to.
    """
    empty = CLIPTokenizer(model_max_length=tokens)
    letters = sorted(ByteLevel.alphabet())  # the characters that stand for bytes, in one fixed order
    merges = learn_merges(captions, empty, vocabulary - 2 * len(letters) - 2)
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges), START, END]
    vocab = {word: number for number, word in enumerate(dict.fromkeys(words))}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=tokens)


def learn_merges(captions: Sequence[str], like: CLIPTokenizer, most: int) -> list[tuple[str, str]]:
    """The merges that the captions teach, with the normaliser and splitter of an existing CLIP tokenizer."""
    backend = like.backend_tokenizer
    learner = Tokenizer(BPE(continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token=END))
    learner.normalizer, learner.pre_tokenizer = backend.normalizer, backend.pre_tokenizer
    trainer = BpeTrainer(vocab_size=most + 512, min_frequency=2, show_progress=False, end_of_word_suffix="</w>")
    learner.train_from_iterator(captions, trainer)
    learnt = json.loads(learner.to_str())["model"]["merges"]
    return [(left, right) for left, right in learnt][:most]
