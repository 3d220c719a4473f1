"""Stages that are small enough to see through, for tests of what is around a stage."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from platen.core.settings import Settings
from platen.core.stage import Inputs, Outcome, Place, Stage

Work = Callable[["WordSettings", Inputs, Place], Outcome]


class WordSettings(Settings):
    """Settings of the stages here."""

    word: str = Field("hello", description="what is written")
    times: int = Field(1, ge=1, description="how often, 1 or more")
    workers: int = Field(2, exclude=True, description="changes nothing")


def write_word(settings: WordSettings, inputs: Inputs, place: Place) -> Outcome:
    (place.out / "words").mkdir()
    (place.out / "words" / "word.txt").write_text(settings.word * settings.times)
    place.observe(speed=3.5)
    return Outcome(counts={"words": settings.times}, dropped={"b": 1, "a": 2}, facts={"word": settings.word})


def word_stage(
    work: Work = write_word, *, name: str = "word", version: int = 1, resumable: bool = False
) -> Stage[WordSettings]:
    return Stage(name, version, "report", WordSettings, {}, work, resumable=resumable)


def read_words(settings: WordSettings, inputs: Inputs, place: Place) -> Outcome:
    texts = [(folder.path / "words" / "word.txt").read_text() for _, folder in sorted(inputs.items())]
    (place.out / "words").mkdir()
    (place.out / "words" / "word.txt").write_text("+".join(texts))
    return Outcome(counts={"inputs": len(texts)})


READ = Stage("read", 1, "dataset", WordSettings, {"text": "report"}, read_words, optional_inputs={"other": "report"})
