"""JSON files in committed folders that one stage writes and others read, as pydantic models."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from platen.core.errors import CorruptError
from platen.core.manifest import canonical
from platen.core.stage import Folder
from platen.core.storage import join, write_file


class Part(BaseModel):
    """Part of such a file."""

    # fields that a newer version has added are ignored
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class JsonFile(Part):
    """A whole file. Its subclasses name it in FILE."""

    FILE: ClassVar[str]

    @classmethod
    def read(cls, folder: Folder) -> Self:
        """Read the file of a committed folder.

        Raises:
            CorruptError: It is missing or not what the class says; names the file and the field.
        """
        where = join(folder.uri, cls.FILE)
        try:
            return cls.parse((folder.part(cls.FILE) / cls.FILE).read_bytes(), where)
        except FileNotFoundError:
            raise CorruptError(f"{where}: no such file") from None

    @classmethod
    def parse(cls, data: bytes, where: str) -> Self:
        """Parse the bytes of a file that lies at `where`. Raises CorruptError that names the file and the field."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise CorruptError(f"{where}: {first_fault(error)}") from None

    def encode(self) -> bytes:
        """Encode the file as it is written."""
        return canonical(self.model_dump(mode="json"), indent=1)

    def write(self, out: Path) -> None:
        """Write the file into a folder that is not committed yet."""
        write_file(out / self.FILE, self.encode())


def first_fault(error: ValidationError) -> str:
    """Say what is wrong first in something that was validated: the dotted field and the fault."""
    fault = error.errors()[0]
    return ": ".join(filter(None, [".".join(str(part) for part in fault["loc"]), fault["msg"]]))
