"""notify: the exit handler, which says how a run went."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Summarize a run: summary.json, report.html, the webhook.",
    settings="NotifySettings",
    section="who is told how a run ended",
    pod="light",
    command=False,
)
