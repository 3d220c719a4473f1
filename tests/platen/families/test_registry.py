"""Which family a folder is of."""

from __future__ import annotations

from platen.families.registry import families


def test_only_one_family_recognizes_a_pipeline() -> None:
    pipelines = [name for family in families() for name in family.pipelines]
    assert len(pipelines) == len(set(pipelines))
