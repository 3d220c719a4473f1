"""The tests that need a CUDA device: how many fail.

python -m bench.gpu.marked_tests
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from bench.rows import Row
from platen.core.processes import follow, start

FOLDER = Path(__file__).parents[2] / "tests" / "gpu"


def main() -> None:
    """Print the row."""
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        report = Path(folder, "report.xml")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-m",
            "gpu",
            FOLDER,
            f"--junitxml={report}",
            "-p",
            "no:cacheprovider",
        ]
        process = start(command)  # it ends with this process, whose time is limited
        if process.stdout is not None:
            follow(process.stdout, lambda line: print(line, flush=True))
        process.wait()
        judge(report.read_bytes()).tell()


def judge(report: bytes) -> Row:
    """Make the row of pytest's report; not measured where every test was skipped."""
    (suite,) = ElementTree.fromstring(report).iter("testsuite")
    tests, skipped = int(suite.attrib["tests"]), int(suite.attrib["skipped"])
    failed = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    return Row(
        row="tests marked gpu that fail",
        ratio=failed if tests > skipped else None,
        bar="<= 0",
        parts={"tests": tests, "skipped": skipped},
        how=f"pytest -m gpu tests/{FOLDER.name}",
    )


if __name__ == "__main__":
    main()
