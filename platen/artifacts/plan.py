"""The training that plan has chosen, `train.yaml`: the section `train` of a settings file."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import yaml
from pydantic import ConfigDict, ValidationError

from platen.artifacts.json_file import Part, first_fault
from platen.core.errors import CorruptError
from platen.core.manifest import Json, canonical
from platen.core.settings import mapping
from platen.core.stage import Folder
from platen.core.storage import join


class PlannedHardware(Part):
    """What a training is planned for; the fields are those of `train.planned_for`."""

    gpu: str
    memory_gib: float
    gpus_per_node: int
    nodes: int
    host_gib: int = 0


class PlannedTraining(Part):
    """The settings of train that a plan decides, by their names there; None where it leaves one open."""

    model_config = ConfigDict(extra="forbid")  # a plan that is followed in part is not followed

    FILE: ClassVar[str] = "train.yaml"

    steps: int
    global_batch: int
    precision: Literal["fp32", "bf16", "fp16"]
    micro_batch: int
    ranks: int
    gradient_checkpointing: bool
    zero: dict[str, Json]
    planned_for: PlannedHardware
    measure: dict[str, Json] | None = None
    threads: int | None = None
    job: dict[str, Json] | None = None

    def section(self) -> dict[str, Json]:
        """Return the settings by name."""
        return {name: value for name, value in self.model_dump(mode="json").items() if value is not None}

    def encode(self) -> bytes:
        """Encode the file as it is written."""
        return yaml.safe_dump({"train": self.section()}, sort_keys=False).encode()

    @classmethod
    def read(cls, folder: Folder) -> Self | None:
        """Read the file of a plan's folder; None where there is none, as no plan was asked for.

        Raises:
            InputError: It is not YAML.
            CorruptError: It is not a planned training; names the file and the field.
        """
        data, where = folder.read(cls.FILE), join(folder.uri, cls.FILE)
        if data is None:
            return None
        section = mapping(data.decode(errors="replace"), where).get("train")
        try:
            return cls.model_validate_json(canonical(section))
        except (ValidationError, TypeError, ValueError) as error:
            fault = first_fault(error) if isinstance(error, ValidationError) else str(error)
            raise CorruptError(f"{where}: train: {fault}") from None
