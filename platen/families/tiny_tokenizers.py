"""Small tokenizers of the real classes that split words into letters, for the families' tiny models."""

from __future__ import annotations

from typing import Any

from tokenizers.pre_tokenizers import ByteLevel

LETTERS = sorted(ByteLevel.alphabet())  # the characters that stand for bytes, in one fixed order
MERGE = ("q", "z")  # seldom met; a tokenizer that merges nothing is taken for one that lost its words


def clip_tokenizer(tokens: int = 77) -> Any:
    """Make a CLIP tokenizer of single letters."""
    from transformers import CLIPTokenizer

    words = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "".join(MERGE), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)}, merges=[MERGE], model_max_length=tokens
    )


def t5_tokenizer(tokens: int = 512) -> Any:
    """Make a T5 tokenizer of single letters."""
    from transformers import T5Tokenizer

    letters = [chr(code) for code in range(33, 127)]
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((letter, -3.0) for letter in letters)]
    return T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=tokens)


def qwen_tokenizer(tokens: int = 1024) -> Any:
    """Make a Qwen 2 tokenizer of single letters, with a chat template as Qwen's own."""
    from transformers import Qwen2Tokenizer

    tokenizer = Qwen2Tokenizer(
        vocab={word: number for number, word in enumerate([*LETTERS, "".join(MERGE), "<|endoftext|>"])},
        merges=[MERGE],
        model_max_length=tokens,
        extra_special_tokens={"start": "<|im_start|>", "end": "<|im_end|>"},
    )
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n"
        "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
    )
    return tokenizer


def mistral_tokenizer(tokens: int = 1024) -> Any:
    """Make a tokenizer of single letters as Mistral 3's, with a chat template as its own."""
    from transformers import LlamaTokenizer

    words = ["<unk>", "<s>", "</s>", "<pad>", *LETTERS, "".join(MERGE)]
    tokenizer = LlamaTokenizer(
        vocab={word: number for number, word in enumerate(words)},
        merges=[MERGE],
        model_max_length=tokens,
        pad_token="<pad>",  # noqa: S106
        extra_special_tokens={"start": "[INST]", "end": "[/INST]"},
    )
    tokenizer.chat_template = (
        "<s>{% for message in messages %}[INST]{% for part in message.content %}{{ part.text }}{% endfor %}[/INST]"
        "{% endfor %}"
    )
    return tokenizer
