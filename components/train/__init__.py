"""Training: DeepSpeed ZeRO-3 through torchrun, on one machine or as a PyTorchJob."""

from platen.core.declaration import Declaration

DECLARATION = Declaration(
    summary="Train a model with DeepSpeed ZeRO, stages 0 to 3.",
    settings="TrainSettings",
    section="how the model is trained",
    pod="train",
)
