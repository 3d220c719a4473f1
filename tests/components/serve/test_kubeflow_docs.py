"""The requests of docs/kubeflow.md, to a real server."""

from __future__ import annotations

import io
import json
from pathlib import Path

from PIL import Image

from tests.components.serve.conftest import RunningServer
from tests.kubeflow_page import run, starting


def test_the_page_s_requests_are_answered_with_a_picture(server: RunningServer, tmp_path: Path) -> None:
    card, request = starting("curl")
    named = json.loads(run(card, tmp_path, {"http://localhost:8000": server.url}))
    assert named["data"]
    run(request, tmp_path, {"http://localhost:8000": server.url})
    (decode,) = starting("python3")
    run(decode, tmp_path)
    assert Image.open(io.BytesIO((tmp_path / "picture.png").read_bytes())).format == "PNG"
