from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from platen.components.plan.prices import DEFAULT, read_prices
from platen.core.errors import InputError, SettingsError


def test_every_figure_of_the_table_has_a_source_and_a_date() -> None:
    table = read_prices(None)
    assert {offer.place.partition("/")[0] for offer in table.offers} >= {"aws", "azure", "gcp", "lambda", "onprem"}
    for entry in (*table.gpus.values(), *table.offers):
        assert entry.source.title
        assert entry.source.date.year >= 2026
    assert table.egress_source is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table["offers"][0].update(gpu="B9000"), r"GPU 'B9000' is not under gpus"),
        (
            lambda table: table["offers"][0].pop("source"),
            r"offers.0.source: not set. Accepted: where the price is from",
        ),
        (lambda table: table["offers"][0].update(usd_per_gpu_hour=-1), r"usd_per_gpu_hour: -1"),
        (lambda table: table.update(offers=[]), r"offers"),
    ],
    ids=["gpu_not_listed", "no_source", "negative_price", "no_offers"],
)
def test_a_table_with_a_fault_is_refused(tmp_path: Path, change: object, words: str) -> None:
    table = yaml.safe_load(DEFAULT.read_text())
    change(table)  # type: ignore[operator]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(table))
    with pytest.raises(SettingsError, match=words):
        read_prices(tmp_path / "mine.yaml")


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone.yaml: no such settings file"):
        read_prices(tmp_path / "gone.yaml")
