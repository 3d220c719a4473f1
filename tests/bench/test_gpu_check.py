"""The GPU check on a machine without a GPU: the same code on CPUs, at a tiny size."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.gpu_check import COMMAND, DOCUMENT, MOST_SECONDS, PARTS, Part, is_whole, parse, run, section
from bench.rows import Row
from bench.run import marks, replaced

ROOT = Path(__file__).parents[2]
ON_CPUS = ("--device", "cpu", "--size", "tiny")


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.gpu_check", *arguments]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def figures(table: str) -> dict[str, str]:
    """The table's figures by what was measured."""
    rows = [line.strip("| ").split(" | ") for line in table.split("\n\n", maxsplit=1)[0].splitlines()[2:]]
    return {row[0]: row[1] for row in rows}


def test_without_a_gpu_it_is_refused_and_writes_nothing() -> None:
    before = DOCUMENT.read_bytes()
    done = check()
    assert done.returncode == 2
    assert "there is no CUDA GPU here" in done.stderr
    assert done.stdout == ""
    assert DOCUMENT.read_bytes() == before


@pytest.mark.parametrize("arguments", [["zero3"], ["--device", "tpu"], ["--size", "huge"]])
def test_what_is_not_accepted_is_named(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert arguments[-1] in capsys.readouterr().err


def test_all_parts_together_stay_below_8_minutes() -> None:
    assert sum(part.seconds for part in PARTS.values()) < MOST_SECONDS


def test_the_page_names_every_part_and_its_seconds() -> None:
    page = DOCUMENT.read_text(encoding="utf-8")
    for name, part in PARTS.items():
        (line,) = [line for line in page.splitlines() if line.startswith("|") and f"`{name}`" in line]
        assert f"| {part.seconds}" in line


def test_the_page_has_the_marks() -> None:
    begin, end = marks(COMMAND)
    text = section([Row("speed", 2.0, "", {}, "by hand")], "a GPU", 12.3)
    written = replaced(DOCUMENT.read_text(encoding="utf-8"), text, COMMAND)
    assert f"{begin}\nMeasured by `make gpu-check` on " in written
    assert written.count(end) == 1


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [
        ([], True),
        (["--device", "cuda", "--size", "full"], True),
        (["--device", "cpu"], False),
        (["--size", "tiny"], False),
        (["tests"], False),
    ],
)
def test_the_page_is_written_for_all_parts_on_a_gpu_alone(arguments: list[str], whole: bool) -> None:
    assert is_whole(parse(arguments)) is whole


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import time; time.sleep(60)", "ended after the 1 s that it may take"),
        ("print('one'); raise SystemExit('no room')", "ended with exit code 1: no room"),
        ("import os; os.kill(os.getpid(), 9)", "ended with SIGKILL: it printed nothing"),
        ("print('nothing to tell')", "ended with exit code 0: nothing to tell"),
    ],
    ids=["late", "failed", "killed", "silent"],
)
def test_a_part_without_figures_says_why(
    source: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faulty_part.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    seconds = 1 if "late" in why or "1 s" in why else 60
    assert run(Part("a part", "faulty_part", seconds), str(tmp_path), "tiny") == [Row("a part", None, "", {}, why)]


def test_what_a_part_told_before_it_failed_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row("speed", 2.0, "", {}, "by hand")
    (tmp_path / "faulty_part.py").write_text(f"from bench.rows import Row\n{row!r}.tell()\nraise SystemExit(3)\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    kept, missing = run(Part("a part", "faulty_part", 60), str(tmp_path), "tiny")
    assert kept == row
    assert (missing.row, missing.ratio) == ("a part", None)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("parts", "measured"),
    [
        (
            ["zero3-flux", "server-flux"],
            [
                "images a second at ZeRO-3, FLUX-shaped",
                "MFU at ZeRO-3, FLUX-shaped",
                "error of the planner's memory at ZeRO-3, FLUX-shaped",
                "seconds of an image from the server at batch 1, against the model alone, FLUX-shaped",
            ],
        ),
        pytest.param(
            ["zero3-sd", "server-sd", "compiled-flux"],
            [
                "images a second at ZeRO-3, SD-shaped",
                "MFU at ZeRO-3, SD-shaped",
                "error of the planner's memory at ZeRO-3, SD-shaped",
                "seconds of an image from the server at batch 1, against the model alone, SD-shaped",
                "images a second compiled, against eager, FLUX-shaped",
            ],
            marks=pytest.mark.soak("torch.compile takes minutes; the FLUX-shaped model goes the same way"),
        ),
    ],
)
def test_on_cpus_the_same_code_measures(parts: Sequence[str], measured: Sequence[str]) -> None:
    before = DOCUMENT.read_bytes()
    done = check(*ON_CPUS, *parts)
    found = figures(done.stdout)
    assert list(found) == measured, done.stderr[-3000:]
    assert all(float(figure) >= 0 for figure in found.values())
    assert "; no GPU: " in done.stdout
    assert "torch 2." in done.stdout
    assert DOCUMENT.read_bytes() == before


def test_tests_that_were_all_skipped_are_not_measured() -> None:
    done = check(*ON_CPUS, "tests")
    assert done.returncode == 1
    assert figures(done.stdout) == {"tests marked gpu that fail": "not measured"}
