"""Counts the numbers of a report: a stage that Platen does not have. See test_new_siblings.py."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Count the numbers of a report.",
    settings="ToySettings",
    section="which numbers are counted",
    pod="light",
)
