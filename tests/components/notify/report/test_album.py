from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from platen.components.notify.evidence import Evidence
from platen.components.notify.report import album
from tests.components.notify.a_run import draw


def picture_of(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_small_picture_is_taken_as_it_is() -> None:
    data = draw("red", "circle", "white", 1)
    uri = album.as_uri(data)
    assert uri is not None and uri.startswith("data:image/png;base64,")
    assert base64.b64decode(uri.partition(",")[2]) == data


def test_large_picture_becomes_a_thumbnail() -> None:
    uri = album.as_uri(draw("red", "circle", "white", 1, side=512))
    assert uri is not None and uri.startswith("data:image/jpeg;base64,")
    assert picture_of(uri).size == (album.SIDE, album.SIDE)


@pytest.mark.parametrize(
    "data", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", draw("red", "circle", "white", 1, side=512)[:900]]
)
def test_what_is_no_whole_picture_is_left_out(data: bytes) -> None:
    assert album.as_uri(data) is None


def test_picture_of_too_many_pixels_is_not_decoded() -> None:
    sink = io.BytesIO()
    Image.new("1", (20_000, 5_000)).save(sink, "PNG")
    assert album.as_uri(sink.getvalue()) is None


def test_page_has_room_for_so_much() -> None:
    data = draw("red", "circle", "white", 1)
    size = len(album.as_uri(data) or "")
    pictures = album.Album(left=2 * size + 1)
    assert [pictures.add(data) is not None for _ in range(4)] == [True, True, False, False]
    assert pictures.refused == 2
    assert pictures.add(b"no picture") is None and pictures.refused == 2


def test_row_cannot_lead_out_of_its_folder(tmp_path: Path, evidence: Evidence) -> None:
    folder = evidence.folders["generate"]
    name = "pictures/00000.png"
    assert album.below(folder, [name, "../../../etc/passwd", "/etc/passwd"]) == {name: folder.path / name}
    assert album.below(folder, ["/etc/passwd"]) == {}
    assert album.Album().add_file(tmp_path / "none.png") is None
