"""Makes a batch of pictures from a prompt file."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Generate the images of a prompt file.",
    settings="GenerateSettings",
    section="the pictures that the evaluation looks at",
    pod="gpu",
)
