"""What a manifest says of its folder, its `facts`: one class for each kind of artifact."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, PositiveInt, ValidationError

from platen.artifacts.json_file import Part, first_fault
from platen.core.errors import CorruptError
from platen.core.manifest import MANIFEST, Json
from platen.core.stage import Folder
from platen.core.storage import join


class Metadata(Part):
    """The facts in a manifest."""

    @classmethod
    def of(cls, folder: Folder) -> Self:
        """Read them of a committed folder. Raises CorruptError that names the manifest and the field."""
        try:
            return cls.model_validate(folder.manifest.facts)
        except ValidationError as error:
            raise CorruptError(f"{join(folder.uri, MANIFEST)}: facts.{first_fault(error)}") from None

    def facts(self) -> dict[str, Json]:
        """Return them as a manifest has them, for the Outcome of a stage; what is None is left out."""
        return self.model_dump(mode="json", exclude_none=True)


class DatasetMetadata(Metadata):
    """What the manifest says of a dataset of images.

    Attributes:
        resolution: Side of a square with the area of the images, in pixels.
        splits: Samples by split; None before they are divided.
        sizes: Images by size, as in 512x768, width first; None where all are squares.
    """

    resolution: PositiveInt
    splits: dict[str, int] | None = None
    sizes: dict[str, int] | None = None


class EncodedMetadata(Metadata):
    """What the manifest says of an encoded dataset.

    Attributes:
        text: embeddings, or tokens: ids for a text encoder that is trained too.
        resolution: As in DatasetMetadata.
        splits: Samples by split.
        sizes: Images by size, as in DatasetMetadata.
        family: Name of the family whose encoders made it; None in folders that do not say.
    """

    text: Literal["embeddings", "tokens"]
    resolution: PositiveInt
    splits: dict[str, int]
    sizes: dict[str, int] = Field(default_factory=dict)
    family: str | None = None

    @property
    def as_tokens(self) -> bool:
        """Whether captions are ids of tokens, for a text encoder that is trained too."""
        return self.text == "tokens"


class ModelMetadata(Metadata):
    """What the manifest says of a model, be it what training starts from or what comes out of it.

    Attributes:
        resolution: Of the images it is for, as in DatasetMetadata.
        family: Name of its family; None where nothing was encoded with it yet, as of a base model.
        trained: Whether the base model was trained on the dataset, and not given.
        reconstruction_l1, clip_loss: How well the parts of such a base model do, at the end of their training.
        steps: Optimizer steps; None where it was not trained by `train`, as everything below.
        first_loss, last_loss: Of the first step, and the mean over the last ones.
        export_error: Largest difference between what was trained and what was written.
    """

    resolution: PositiveInt
    family: str | None = None
    trained: bool | None = None
    reconstruction_l1: float | None = None
    clip_loss: float | None = None
    steps: int | None = None
    first_loss: float | None = None
    last_loss: float | None = None
    export_error: float | None = None


class ReleaseMetadata(Metadata):
    """What the manifest says of a release: the digest of the model that was released."""

    model: str
