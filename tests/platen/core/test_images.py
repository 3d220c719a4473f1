from __future__ import annotations

import json
from pathlib import Path

import pytest

from platen import __version__
from platen.core.errors import InputError
from platen.core.images import Images, chosen_images, image

DIGEST = f"sha256:{7:064x}"


def test_an_image_has_the_stage_s_name_and_the_version() -> None:
    assert image("clean_text") == f"platen/clean-text:{__version__}"


def test_nothing_chosen_is_what_make_images_names() -> None:
    assert chosen_images(None, None, None) == Images()


def test_registry_and_tag() -> None:
    assert chosen_images("localhost:5000/p", "1.2-rc1", None).name("train") == "localhost:5000/p/train:1.2-rc1"


def test_digests_come_from_the_file_that_make_images_leaves(tmp_path: Path) -> None:
    path = tmp_path / "images.json"
    path.write_text(json.dumps({"platen/light": DIGEST, "platen/train": DIGEST}))
    images = chosen_images("r.example.com/p", None, path)
    assert images.name("train") == f"r.example.com/p/train@{DIGEST}"
    with pytest.raises(InputError, match=r"no digest of platen/gate; there are digests of: platen/light, platen/train"):
        images.name("gate")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"no such file; `make images PUSH=1` writes build/images\.json"),
        ("{", "not a JSON file of digests"),
        ('["platen/train"]', r"a list\. Accepted: \{"),
        ('{"platen/train": "1.2"}', r"platen/train: '1\.2' is not a digest"),
        ('{"platen/train": null}', r"platen/train: None is not a digest"),
    ],
    ids=["no_file", "no_json", "list", "tag_for_digest", "no_digest"],
)
def test_a_file_of_digests_that_is_none(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "images.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message):
        chosen_images(None, None, path)


@pytest.mark.parametrize(
    ("registry", "tag", "digests"),
    [
        ("https://r.example.com", None, None),
        ("r.example.com/", None, None),
        (None, "latest", None),
        (None, "a b", None),
        (None, "1.2", Path("images.json")),
    ],
    ids=["scheme", "trailing_slash", "tag_that_moves", "tag_with_a_space", "tag_and_digests"],
)
def test_what_cannot_name_images_is_refused(registry: str | None, tag: str | None, digests: Path | None) -> None:
    with pytest.raises(InputError, match=r"must be|cannot be combined"):
        chosen_images(registry, tag, digests)
