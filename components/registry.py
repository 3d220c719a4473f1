"""The components there are, in the order of the settings file. A new one is a folder beside this and a line here."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from platen.core.declaration import Declaration
    from platen.core.settings import Settings
    from platen.core.stage import Stage

NAMES = (
    "sample",
    "ingest",
    "clean_text",
    "clean_images",
    "merge",
    "base",
    "encode",
    "plan",
    "train",
    "generate",
    "evaluate",
    "gate",
    "deploy",
    "serve",
    "monitor",
    "notify",
)


@cache
def declarations() -> Mapping[str, Declaration]:
    """Return what each component declares; imports nothing of it but that."""
    return {name: importlib.import_module(f"platen.components.{name}").DECLARATION for name in NAMES}


def settings_of(name: str) -> type[Settings]:
    """Return the settings class of a component."""
    module = importlib.import_module(f"platen.components.{name}.settings")
    settings: type[Settings] = getattr(module, declarations()[name].settings)
    return settings


def stage_named(name: str) -> Stage[Any]:
    """Return the stage of a component."""
    stage: Stage[Any] = importlib.import_module(f"platen.components.{name}.stage").STAGE
    return stage
