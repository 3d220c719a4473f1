"""How tests are spread over the processes of `make test` and `make test-cluster`."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/components/train/",)  # two ranks take both cores


class ByFile(LoadScopeScheduling):
    """A file's tests run in one process, which makes its fixtures once; and so do all tests of some folders.

    pytest-xdist's own groups (xdist_group, --dist loadgroup) do nothing: version 3.8.0 names a group in Item._nodeid,
    which pytest 9.2 does not read.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in TOGETHER if file.startswith(folder)), file)
