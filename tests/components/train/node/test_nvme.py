from __future__ import annotations

from pathlib import Path

import pytest

from platen.components.train.node.nvme import nvme_folder
from platen.components.train.parallel.settings import ZeroSettings
from platen.errors import SettingsError


@pytest.mark.parametrize(
    ("gib", "folder", "words"),
    [(1.0, "gone", "no such folder on this machine"), (1e9, ".", "GiB free; 2 ranks of nvme_gib 1e.09 need 2e.09")],
    ids=["missing", "too_small"],
)
def test_nvme_without_a_folder_or_room_is_refused(tmp_path: Path, gib: float, folder: str, words: str) -> None:
    zero = ZeroSettings(offload_optimizer="nvme", nvme_path=str(tmp_path / folder), nvme_gib=gib)
    with pytest.raises(SettingsError, match=rf"train\.zero\.nvme_path: .*{words}"), nvme_folder(zero, "run", 2):
        pass


def test_a_run_has_a_folder_of_its_own_which_goes_with_it(tmp_path: Path) -> None:
    zero = ZeroSettings(offload_optimizer="nvme", nvme_path=str(tmp_path), nvme_gib=0.001)
    with nvme_folder(zero, "one", 2) as one, nvme_folder(zero, "two", 2) as two:
        assert one.nvme_path != two.nvme_path
        assert one.nvme_path is not None
        Path(one.nvme_path, "left.swp").touch()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_attempt_left_is_gone_when_the_next_one_begins(tmp_path: Path) -> None:
    (tmp_path / "platen-run").mkdir()
    (tmp_path / "platen-run" / "left.swp").touch()
    zero = ZeroSettings(offload_optimizer="nvme", nvme_path=str(tmp_path), nvme_gib=0.001)
    with nvme_folder(zero, "run", 2) as own:
        assert own.nvme_path is not None
        assert list(Path(own.nvme_path).iterdir()) == []


def test_without_nvme_nothing_is_looked_at() -> None:
    with nvme_folder(ZeroSettings(), "run", 2) as own:
        assert own == ZeroSettings()
