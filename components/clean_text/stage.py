"""clean_text: captions as they came in, captions that can be trained on out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from platen.artifacts.dataset import Drop, Row, count_drops, is_done, read_index, read_rows, shards_of, write_index
from platen.components.clean_text.cleaning import clean
from platen.components.clean_text.judging import WORDS, judge
from platen.components.clean_text.language import Languages
from platen.components.clean_text.settings import CleanTextSettings
from platen.core.stage import Inputs, Outcome, Place, Stage
from platen.core.telemetry import track
from platen.core.words import words

MOST_CHARACTERS = 20_000  # a text above is no caption, and cleaning it could take long
SHOWN = 1000  # characters of a dropped caption that its report keeps
REPAIRS = ("html", "control_characters", "url", "email", "phone")


def clean_text(settings: CleanTextSettings, inputs: Inputs, place: Place) -> Outcome:
    """Clean shard by shard; finished shards are left as they are."""
    source = inputs["dataset"].path
    languages = Languages(settings.languages)
    shards = shards_of(source)
    for shard in track(shards, "cleaning captions", len(shards), "shards"):
        if not is_done(place.out, shard):
            _clean_shard(source, shard, settings, languages, place.out)
    scores = Counter(name for row in read_index(place.out) for name in row.scores)
    repaired = {f"repaired_{name}": scores[f"repaired_{name}"] for name in REPAIRS}
    return Outcome(counts={"samples": scores[WORDS], **repaired}, dropped=count_drops(place.out))


def clean_row(row: Row, settings: CleanTextSettings, languages: Languages) -> Row | Drop:
    """A row with its caption cleaned and scored, or the reason why it is left out."""
    if len(row.caption) > MOST_CHARACTERS:
        return _drop(row, "caption_too_long", f"{len(row.caption)} characters; at most {MOST_CHARACTERS}")
    cleaned = clean(row.caption, settings.redaction)
    scores = {WORDS: float(len(words(cleaned.text))), **languages.score(cleaned.text)}
    verdict = judge(cleaned.text, scores, settings)
    if verdict is not None:
        return _drop(row, *verdict)
    repairs = {f"repaired_{name}": 1.0 for name in sorted(cleaned.repaired)}
    return replace(row, caption=cleaned.text, extension="", scores={**row.scores, **scores, **repairs})


def _clean_shard(source: Path, shard: str, settings: CleanTextSettings, languages: Languages, out: Path) -> None:
    rows = sorted(read_rows(source, shard), key=lambda row: row.key)
    results = [clean_row(row, settings, languages) for row in rows]
    kept = [result for result in results if isinstance(result, Row)]
    drops = [result for result in results if isinstance(result, Drop)]
    write_index(out, shard, kept, drops)


def _drop(row: Row, reason: str, detail: str) -> Drop:
    return Drop(row.key, reason, detail, row.source, row.caption[:SHOWN])


STAGE = Stage(
    name="clean_text",
    version=2,
    kind="dataset",
    settings=CleanTextSettings,
    inputs={"dataset": "dataset"},
    work=clean_text,
    resumable=True,
)
