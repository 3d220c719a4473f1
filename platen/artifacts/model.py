"""What a model folder says of itself beside the files that diffusers knows: `platen.json`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from platen.artifacts.json_file import first_fault
from platen.core.errors import CorruptError
from platen.core.storage import write_file

RECORD = "platen.json"


class ModelRecord(BaseModel):
    """A trained model.

    Attributes:
        family: Name of its family.
        resolution: Width and height in pixels of the images it was trained on; with several sizes, the one that their
            area is close to. What it generates unless a request says otherwise.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)  # of a newer version what is known here is enough

    family: str
    resolution: tuple[PositiveInt, PositiveInt]

    @classmethod
    def read(cls, folder: Path) -> ModelRecord | None:
        """Read a model folder's record; None for a folder that has none, as a base model.

        Raises:
            CorruptError: It is not a record.
        """
        file = folder / RECORD
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise CorruptError(f"{file}: {first_fault(error)}") from None

    def write(self, folder: Path) -> None:
        """Write the record into a model folder."""
        write_file(folder / RECORD, self.model_dump_json(indent=2).encode() + b"\n")
