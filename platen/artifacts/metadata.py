"""What a manifest says of its folder, its `facts`: one class for each kind of artifact."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import PositiveInt, ValidationError

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
    """

    text: Literal["embeddings", "tokens"]
    resolution: PositiveInt
    splits: dict[str, int]


class ModelMetadata(Metadata):
    """What the manifest says of a model, be it what training starts from or what comes out of it.

    Attributes:
        resolution: Of the images it is for, as in DatasetMetadata.
        steps: Optimizer steps; None where it was not trained by `train`, as everything below.
        first_loss, last_loss: Of the first step, and the mean over the last ones.
        export_error: Largest difference between what was trained and what was written.
    """

    resolution: PositiveInt
    steps: int | None = None
    first_loss: float | None = None
    last_loss: float | None = None
    export_error: float | None = None


class ReleaseMetadata(Metadata):
    """What the manifest says of a release: the digest of the model that was released."""

    model: str
