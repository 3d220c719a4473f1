"""What the registry of components says of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from platen.components.registry import NAMES, declarations, settings_of, stage_named
from platen.pipelines.cluster_settings import ClusterSettings
from platen.pipelines.settings import RunSettings

COMPONENTS = Path(__file__).parents[2] / "components"


def test_every_folder_is_in_the_registry() -> None:
    assert sorted(NAMES) == sorted(path.parent.name for path in COMPONENTS.glob("*/settings.py"))
    assert list(declarations()) == list(NAMES)


@pytest.mark.parametrize("name", [name for name, declared in declarations().items() if declared.command])
def test_a_stage_has_the_name_and_the_settings_that_are_declared(name: str) -> None:
    stage = stage_named(name)
    assert (stage.name, stage.settings) == (name, settings_of(name))
    assert stage.kinds.keys() == {*stage.inputs, *stage.optional_inputs, *stage.advice}


@pytest.mark.parametrize("name", NAMES)
def test_a_section_is_in_the_settings_of_a_run_and_has_defaults_unless_it_is_required(name: str) -> None:
    field, declared = RunSettings.model_fields[name], declarations()[name]
    assert (field.annotation, field.description) == (settings_of(name), declared.section)
    assert field.is_required() == declared.required
    assert (ClusterSettings.model_fields.get(name) is None) == (declared.pod is None)
