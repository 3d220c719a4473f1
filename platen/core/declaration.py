"""What commands and pipelines must know of a component before they import it: declared in its folder's __init__.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Pod = Literal["light", "torch", "gpu", "train"]


@dataclass(frozen=True, slots=True)
class Declaration:
    """One component.

    Attributes:
        summary: The help of its command.
        settings: The name of its settings class in settings.py.
        section: What its section of the settings file is about.
        pod: What its pod is given by default: `light` without torch, `torch`, `gpu` where a GPU is of use, `train`;
            None for what pipelines do not run.
        required: The settings file must have the section.
        command: Its command runs the STAGE of stage.py on committed folders; otherwise it has one of its own.
    """

    summary: str
    settings: str
    section: str
    pod: Pod | None
    required: bool = False
    command: bool = True
