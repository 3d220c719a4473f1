"""Decides whether a model may go live."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Decide whether a model may go live.",
    settings="GateSettings",
    section="what a model must meet to be released",
    pod="light",
)
