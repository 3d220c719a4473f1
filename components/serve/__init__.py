"""Serve a model over HTTP, as the OpenAI images API, with a page to try it."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Serve a model: the OpenAI images API, a page at /, metrics.",
    settings="ServeSettings",
    section="the inference server",
    pod=None,
    command=False,
)
