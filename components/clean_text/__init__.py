"""Captions that can be trained on: repaired, in a wanted language, of a sensible length."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Repair captions and drop those that cannot be used.",
    settings="CleanTextSettings",
    section="what captions are repaired or dropped",
    pod="light",
)
