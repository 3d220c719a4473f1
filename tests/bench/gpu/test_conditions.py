from __future__ import annotations

from pathlib import Path

import pytest

from bench.gpu.conditions import device_words, driver


def test_cpus_are_said_to_be_no_gpu() -> None:
    assert device_words("cpu").startswith("no GPU: ")


def test_the_drivers_own_tool_tells_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 570.133.20\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert driver() == "570.133.20"
