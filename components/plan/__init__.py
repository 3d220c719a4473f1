"""Says what a training will need, take and cost, and how to run it."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Say what training will need, take and cost, and how to run it; prints a table and the plan's folder.",
    settings="PlanSettings",
    section="what `platen plan` is to plan, and may choose from",
    pod="torch",
    command=False,
)
