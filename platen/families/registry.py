"""The families there are. A new one is a module beside these and a line here."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from platen.core.errors import InputError
from platen.families.base import Family
from platen.families.layout import MODEL_INDEX, read_model_index

MODULES = (
    "stable_diffusion",
    "stable_diffusion_xl",
    "stable_diffusion_3",
    "pixart_sigma",
    "flux",
    "flux2",
    "flux2_dev",
    "qwen_image",
    "z_image",
)


@cache
def families() -> tuple[Family, ...]:
    """Return all families; their modules import no torch until they are asked for something."""
    return tuple(importlib.import_module(f"platen.families.{name}").FAMILY for name in MODULES)


def family_named(name: str) -> Family:
    """Return the family of a name, as manifests and settings have it. Raises InputError for one that is not known."""
    for family in families():
        if family.name == name:
            return family
    raise InputError(f"family {name!r}. Accepted: {', '.join(family.name for family in families())}")


def family_of_network(config: object, file: Path) -> Family:
    """Return the family that the configuration of a network is of.

    Args:
        config: What the file says.
        file: Named in the error.

    Raises:
        InputError: It describes a network of no family.
    """
    for family in families():
        if isinstance(config, dict) and family.describes(config):
            return family
    found = config.get("_class_name") if isinstance(config, dict) else None
    known = ", ".join(sorted({family.network_class for family in families()}))
    raise InputError(f"{file}: describes {found}, or one that no family knows. Accepted: the config.json of a {known}")


def family_of(folder: Path) -> Family:
    """Return the family of a diffusers folder by the class in its model_index.json.

    Raises:
        InputError: There is no such file, or no family recognizes the class.
    """
    found = read_model_index(folder).class_name
    for family in families():
        if found in family.pipelines:
            return family
    known = ", ".join(sorted(name for family in families() for name in family.pipelines))
    raise InputError(
        f"{folder / MODEL_INDEX}: _class_name {found!r} is of no family that Platen knows. Accepted: {known}"
    )
