"""How `make test` spreads tests over its processes, and leaves out what `make soak` runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TRAIN = [f"tests/components/train/{name}" for name in ("test_removed.py", "test_presets.py", "data/test_turns.py")]
OTHERS = ["tests/components/ingest/test_names.py", "tests/components/ingest/test_robots_rules.py"]
SOAK = "tests/components/train/checkpoints/test_kills.py"


def test_a_file_and_all_of_training_run_in_one_process_and_soak_tests_wait() -> None:
    env = {name: value for name, value in os.environ.items() if name != "SOAK" and not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-n", "2", "-v", "-rs", "-p", "no:cacheprovider", *TRAIN, *OTHERS, SOAK]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    by_file: dict[str, set[str]] = {}
    for worker, file in re.findall(r"^\[(gw\d)\] .*?(?:PASSED|SKIPPED) (\S+\.py)::", done.stdout, re.MULTILINE):
        by_file.setdefault(file, set()).add(worker)
    assert by_file.keys() == {*TRAIN, *OTHERS, SOAK}
    assert all(len(workers) == 1 for workers in by_file.values())
    assert len(set.union(*(by_file[file] for file in (*TRAIN, SOAK)))) == 1
    assert set.union(*by_file.values()) == {"gw0", "gw1"}
    assert re.search(r"SKIPPED \[1\] \S*test_kills\.py.*make soak", done.stdout)
