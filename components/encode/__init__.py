"""Pictures to latents and captions to embeddings, once."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Encode images to latents, captions to embeddings.",
    settings="EncodeSettings",
    section="how pictures and captions are encoded",
    pod="gpu",
)
