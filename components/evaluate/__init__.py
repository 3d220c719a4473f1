"""Measures a model and its pictures, each number with its uncertainty."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Measure quality, memorization and bias.",
    settings="EvaluateSettings",
    section="what is measured on the trained model",
    pod="gpu",
)
