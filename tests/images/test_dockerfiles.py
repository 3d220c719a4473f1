"""The Dockerfiles: one a stage, nothing installed at run time, the base that the stage's imports need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from platen.components.registry import declarations
from platen.core.images import image

ROOT = Path(__file__).parents[2]
STAGES = sorted(
    path.parent.name for tree in ("components", "pipelines") for path in ROOT.glob(f"{tree}/*/component.py")
)
IMAGES = sorted(path.parent.name for path in ROOT.glob("images/*/Dockerfile") if path.parent.name != "bases")
WITHOUT_TORCH = {"preflight", *(name for name, declared in declarations().items() if declared.pod == "light")}


def base_of(stage: str) -> str:
    found = re.search(r"^FROM \$\{REGISTRY\}/(\w+):\$\{TAG\}$", dockerfile(stage), re.MULTILINE)
    assert found is not None
    return found[1]


def dockerfile(stage: str) -> str:
    return (ROOT / "images" / stage / "Dockerfile").read_text()


def test_every_stage_and_the_server_have_an_image() -> None:
    assert [*STAGES, "serve"] == [name for name in [*IMAGES] if name != "serve"] + ["serve"]


@pytest.mark.parametrize("stage", IMAGES)
def test_an_image_says_its_own_name(stage: str) -> None:
    name = image(stage).partition(":")[0].removeprefix("platen/")
    assert f"ENV PLATEN_IMAGE=${{REGISTRY}}/{name}:${{TAG}}\n" in dockerfile(stage)
    assert f'title="platen/{name}"' in dockerfile(stage)


@pytest.mark.parametrize("stage", IMAGES)
def test_an_image_adds_nothing_to_its_base_but_its_name(stage: str) -> None:
    assert not re.search(r"^(RUN|COPY|ADD|USER)", dockerfile(stage), re.MULTILINE)


def test_light_stages_are_on_the_light_base() -> None:
    assert {stage for stage in IMAGES if base_of(stage) == "light"} == WITHOUT_TORCH


def test_the_bases_end_as_a_user_without_rights() -> None:
    text = (ROOT / "images" / "bases" / "Dockerfile").read_text()
    final = text.split("\nFROM ")
    assert [part.splitlines()[0] for part in final if "\nUSER 10001:10001\n" in part] == [
        "light-requirements AS light",
        "torch-requirements AS torch",
    ]


def test_nothing_is_installed_at_run_time() -> None:
    for path in (ROOT / "pipelines" / "compiled").glob("*.yaml"):
        assert "pip install" not in path.read_text()


@pytest.mark.parametrize("name", ["light", "torch"])
def test_every_requirement_is_locked_by_hash_and_names_no_index(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    pinned = re.findall(r"^[a-z0-9][^ ]*==", text, re.MULTILINE)
    assert len(pinned) > 30
    assert "index-url" not in text
    assert "://" not in text
    for entry in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_both_bases_and_this_environment_have_the_same_versions() -> None:
    def versions(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        return dict(re.findall(r"^([a-z0-9][\w.-]*(?:\[[^]]*\])?)==([^ ]+)", text, re.MULTILINE))

    locked = versions("dev")
    for name in ("light", "torch"):
        other = {key: value for key, value in versions(name).items() if locked.get(key) != value}
        assert other == {}, f"{name}.txt differs from dev.txt; make lock"
