"""Which family a folder, a name or a network's configuration is of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platen.core.errors import InputError
from platen.families.registry import MODULES, families, family_named, family_of, family_of_network


def test_only_one_family_recognizes_a_pipeline() -> None:
    pipelines = [name for family in families() for name in family.pipelines]
    assert len(pipelines) == len(set(pipelines))


def test_every_module_beside_it_that_has_a_family_is_listed() -> None:
    folder = Path(__file__).parents[3] / "platen" / "families"
    having = {path.stem for path in folder.glob("*.py") if "\nFAMILY = " in path.read_text()}
    assert set(MODULES) == having


def test_names_are_found_and_do_not_collide() -> None:
    names = [family.name for family in families()]
    assert len(set(names)) == len(names)
    assert [family_named(name).name for name in names] == names


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match=r"family 'stable-difusion'\. Accepted: stable-diffusion, "):
        family_named("stable-difusion")


@pytest.mark.parametrize(
    ("index", "fault"),
    [
        (None, r"model_index\.json: missing"),
        ({"_class_name": "KandinskyPipeline"}, r"_class_name 'KandinskyPipeline' is of no family.*Accepted: .*Flux"),
    ],
)
def test_a_folder_of_no_family_is_named_with_its_class(tmp_path: Path, index: object, fault: str) -> None:
    if index is not None:
        (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=fault):
        family_of(tmp_path)


@pytest.mark.parametrize("config", [{"_class_name": "UNet1DModel"}, {}, [], None, "FluxTransformer2DModel"])
def test_a_configuration_of_no_family_is_refused_by_its_file(config: object) -> None:
    with pytest.raises(InputError, match=r"^m/config\.json: describes .* Accepted: the config\.json of a "):
        family_of_network(config, Path("m/config.json"))
