"""Reading a prompt file."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from platen.core.errors import InputError
from platen.core.storage import store_for

SEEDS = 2**32  # what the server takes too
MAX_LENGTH = 4000  # characters


class Prompt(BaseModel):
    """One picture to make: its prompt, the seed of its noise, and the group it is counted in afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    prompt: str = Field(max_length=MAX_LENGTH, description=f"a text that is not blank, {MAX_LENGTH} characters at most")
    seed: int = Field(ge=0, lt=SEEDS, description=f"a whole number from 0 to {SEEDS - 1}")
    group: str = Field("", description="a text")


def load_prompts(uri: str, first_seed: int) -> list[Prompt]:
    """The prompts of a file, in order.

    Args:
        uri: A path or gs://. JSON lines where its name ends in .jsonl, otherwise text. Blank lines are skipped.
        first_seed: Of the first prompt; a row without a seed takes `first_seed` plus the number of rows before it.

    Raises:
        InputError: Names the file, the line and the field.
    """
    try:
        text = read_prompts(uri).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{uri}: not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}") from None
    prompts = parse_prompts(text, first_seed, uri, json_lines=is_json_lines(uri))
    if not prompts:
        raise InputError(f"{uri}: no prompt in it. Accepted: one prompt a line, at least one")
    return prompts


def read_prompts(uri: str) -> bytes:
    """The bytes of a prompt file. Raises InputError where there is none that can be read."""
    try:
        data = store_for(uri).read(uri)
    except OSError as error:
        raise InputError(f"{uri}: no prompt file can be read here ({error.strerror}); set generate.prompts") from None
    if data is None:
        raise InputError(f"{uri}: no such prompt file. Accepted in generate.prompts: a .jsonl or a text file")
    return data


def is_json_lines(uri: str) -> bool:
    """Whether a prompt file holds JSON lines, by its name."""
    return PurePosixPath(uri).suffix == ".jsonl"


def parse_prompts(text: str, first_seed: int, where: str, *, json_lines: bool) -> list[Prompt]:
    """The prompts of a text; see `load_prompts`."""
    prompts: list[Prompt] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            seed = (first_seed + len(prompts)) % SEEDS
            place = f"{where}: line {number}"
            values = _decode(line, place) if json_lines else {"prompt": line.strip()}
            prompts.append(_check({"seed": seed, **values}, place))
    return prompts


def _decode(line: str, place: str) -> dict[str, object]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f'{place}: not JSON: {error}. Accepted: an object, as {{"prompt": "a red circle"}}') from None
    if not isinstance(values, dict):
        raise InputError(f'{place}: a {type(values).__name__}. Accepted: an object, as {{"prompt": "a red circle"}}')
    return values


def _check(values: dict[str, object], place: str) -> Prompt:
    try:
        prompt = Prompt.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        _refuse(place, str(fault["loc"][0]), fault["type"], values)
    if not prompt.prompt.strip():
        _refuse(place, "prompt", "blank", values)
    return prompt


def _refuse(place: str, name: str, fault: str, values: dict[str, object]) -> NoReturn:
    if fault == "extra_forbidden":
        raise InputError(f"{place}: unknown field {name!r}. Accepted: {', '.join(Prompt.model_fields)}")
    accepted = Prompt.model_fields[name].description
    given = f"is {values[name]!r:.80}" if name in values else "is missing"
    raise InputError(f"{place}: {name} {given}. Accepted: {accepted}")
