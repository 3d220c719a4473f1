"""Pictures and captions from folders, tables and the web into one data set, bytes as they came."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Read captioned images from folders, tables and URLs.",
    settings="IngestSettings",
    section="where the pictures come from; folder, table or urls must be set",
    pod="light",
    required=True,
)
