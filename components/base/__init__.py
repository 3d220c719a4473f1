"""The model that training starts from: the user's own, or a tiny one trained on the data."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Train a tiny base model, or import the one in the settings.",
    settings="BaseModelSettings",
    section="the model that training starts from",
    pod="torch",
)
