"""Pictures that can be trained on: checked, decoded, upright, cropped, resized, measured."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Check, decode, crop and resize images.",
    settings="CleanImagesSettings",
    section="what pictures are kept, at what size",
    pod="light",
)
