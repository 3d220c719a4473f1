from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from platen.components.train.batch_size.memory import Taken, host_bytes

FILLS = """
from platen.components.train.batch_size.memory import hold_to, host_taken
hold_to(2**28)
print(host_taken(2**28).peak)
bytearray(2**29)
"""


@pytest.mark.parametrize(("text", "wanted"), [("1048576\n", 2**20), ("max\n", None), ("9223372036854771712\n", None)])
def test_a_containers_limit_counts_where_it_is_less(tmp_path: Path, text: str, wanted: int | None) -> None:
    (tmp_path / "memory.max").write_text(text)
    found = host_bytes((tmp_path / "memory.max", tmp_path / "gone"))
    assert found == (wanted or psutil.virtual_memory().total)


def test_more_than_the_limit_fails_in_the_process_that_asks() -> None:
    ended = subprocess.run([sys.executable, "-c", FILLS], capture_output=True, text=True, check=False)
    assert ended.stderr.endswith("MemoryError\n")
    assert 2**20 < int(ended.stdout) < 2**28


def test_what_was_taken_is_told_with_its_share() -> None:
    assert str(Taken(2**30, 2**31)) == "1.00 of 2.00 GiB a rank (50%)"
