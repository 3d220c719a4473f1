"""Texts and pictures joined again: duplicates out, splits, the data card."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Join texts and images, drop duplicates, split.",
    settings="MergeSettings",
    section="duplicates and splits",
    pod="light",
)
