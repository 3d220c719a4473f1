from __future__ import annotations

import pytest

from bench.gpu.marked_tests import judge


@pytest.mark.parametrize(
    ("tests", "skipped", "failed", "errors", "ratio"), [(5, 1, 2, 1, 3), (5, 5, 0, 0, None), (5, 0, 0, 0, 0)]
)
def test_failures_and_errors_count(tests: int, skipped: int, failed: int, errors: int, ratio: int | None) -> None:
    counts = f'tests="{tests}" skipped="{skipped}" failures="{failed}" errors="{errors}"'
    row = judge(f"<testsuites><testsuite {counts}/></testsuites>".encode())
    assert row.ratio == ratio
    assert row.parts == {"tests": tests, "skipped": skipped}
