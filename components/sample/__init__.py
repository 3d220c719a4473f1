"""The sample world: a captioned set of drawings with planted faults, and a judge that knows what was drawn."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Draw the sample world: captioned pictures with planted faults, and the truth about them.",
    settings="SampleSettings",
    section="the sample world that `platen sample` draws",
    pod="light",
    command=False,
)
