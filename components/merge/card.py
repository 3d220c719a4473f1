"""The data card: what the data set is, and what was left out of it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from platen.artifacts.dataset import Drop, Row, Split, read_drops, read_index, shards_of
from platen.core.manifest import Json
from platen.core.stage import Folder
from platen.core.ui import drop_table, most_first, page, read_object, table
from platen.core.words import words

CARD = "card.json"
EXAMPLES = 8  # drops told for each reason
SHOWN = 2  # of them on the page
WORDS = 50  # most frequent ones
QUANTILES = {"least": 0.0, "p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "most": 1.0}
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)")


def make_card(folder: Path, resolution: int) -> dict[str, Json]:
    """The card of a merged data set, from its index and its drop report."""
    facts: Counter[tuple[str, str]] = Counter()
    counts: Counter[str] = Counter()
    lengths: Counter[int] = Counter()
    for row in read_index(folder):
        facts.update([("split", row.split), ("licence", row.licence), ("source", scheme_of(row))])
        found = words(row.caption)
        counts.update(found)
        lengths[len(found)] += 1
    return {
        "schema_version": 1,
        "samples": lengths.total(),
        "resolution": resolution,
        "splits": {split.value: facts["split", split] for split in Split},
        "shards": len(shards_of(folder)),
        "bytes": sum(path.stat().st_size for path in sorted((folder / "shards").glob("*.tar"))),
        "licences": _part(facts, "licence"),
        "sources": _part(facts, "source"),
        "caption_words": quantiles(lengths),
        "frequent_words": most_frequent(counts),
        "dropped": drop_report(read_drops(folder)),
    }


def scheme_of(row: Row) -> str:
    """http, https, ... or file."""
    found = SCHEME.match(row.source)
    return found[0].lower() if found else "file"


def quantiles(counts: Mapping[int, int]) -> dict[str, int]:
    """Quantiles of numbers that are given as number to how often; nothing where there are none."""
    numbers = sorted(counts)
    total = sum(counts.values())
    if not total:
        return {}
    return {name: _quantile(numbers, counts, share * (total - 1)) for name, share in QUANTILES.items()}


def _quantile(numbers: Sequence[int], counts: Mapping[int, int], rank: float) -> int:
    seen = 0
    for number in numbers:
        seen += counts[number]
        if seen > rank:
            return number
    return numbers[-1]


def most_frequent(words: Mapping[str, int]) -> list[dict[str, Json]]:
    """The most frequent words; those that are as frequent in the order of the alphabet."""
    ranked = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:WORDS]
    return [{"word": word, "count": count} for word, count in ranked]


def drop_report(drops: Iterable[Drop]) -> dict[str, Json]:
    """For each reason how many, and the first few of them."""
    counts: Counter[str] = Counter()
    examples: defaultdict[str, list[Json]] = defaultdict(list)
    for drop in drops:
        counts[drop.reason] += 1
        if counts[drop.reason] <= EXAMPLES:
            examples[drop.reason].append(
                {"key": drop.key, "source": drop.source, "caption": drop.caption[:500], "detail": drop.detail}
            )
    return {reason: {"count": counts[reason], "examples": examples[reason]} for reason in sorted(counts)}


def _part(facts: Mapping[tuple[str, str], int], wanted: str) -> dict[str, int]:
    return {name: number for (kind, name), number in sorted(facts.items()) if kind == wanted}


def render_card(folder: Folder) -> str:
    """Render the card of a committed data set as Markdown."""
    card = read_object(folder, CARD)
    dropped = {reason: entry["count"] for reason, entry in card["dropped"].items()}
    examples = [
        (reason, example["caption"], example["detail"])
        for reason, entry in card["dropped"].items()
        for example in entry["examples"][:SHOWN]
    ]
    numbers = {name: card[name] for name in ("samples", "resolution", "shards", "bytes")}
    parts = [
        "# Data card",
        table(("", "Number"), [("seen", folder.manifest.counts["seen"]), *numbers.items()]),
        "## Splits",
        table(("Split", "Samples"), [(split.value, card["splits"][split]) for split in Split]),
        "## Licenses",
        table(("License", "Samples"), most_first(card["licences"])),
        "## Sources",
        table(("Source", "Samples"), most_first(card["sources"])),
        "## Words per caption",
        table(
            ("Quantile", "Words"), [(name, card["caption_words"][name]) for name in QUANTILES if card["caption_words"]]
        ),
        "## Most frequent words",
        table(("Word", "Times"), [(entry["word"], entry["count"]) for entry in card["frequent_words"]]),
        "## Dropped, over all stages so far",
        drop_table(dropped),
    ]
    if examples:
        parts += ["## Examples of what was dropped", table(("Reason", "Caption", "Detail"), examples)]
    return page(parts)
