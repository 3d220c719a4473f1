"""The model that training starts from: the user's own, or a tiny one trained on the data."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Make a tiny base model, or take over the one in the settings.",
    settings="BaseModelSettings",
    section="the model that training starts from",
    pod="torch",
)
