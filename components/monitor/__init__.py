"""Watch a live model: read its request log, and say whether to keep it or to train again."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Evaluate the request log of the live model.",
    settings="MonitorSettings",
    section="when the live model should be trained again",
    pod="light",
)
