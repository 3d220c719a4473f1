from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.numpy import load_file

from platen.components.train.node.nvme import needed_bytes, nvme_folder
from platen.components.train.parallel.settings import ZeroSettings
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError
from platen.core.stage import Folder


@pytest.mark.parametrize(
    ("needed", "folder", "words"),
    [(0, "gone", "no such folder on this machine"), (2**60, ".", r"GiB free; this node's ranks need 1073741824\.0")],
    ids=["missing", "too_small"],
)
def test_nvme_without_a_folder_or_room_is_refused(tmp_path: Path, needed: int, folder: str, words: str) -> None:
    zero = ZeroSettings(offload_optimizer="nvme", nvme_path=str(tmp_path / folder))
    with pytest.raises(SettingsError, match=rf"train\.zero\.nvme_path: .*{words}"), nvme_folder(zero, "run", needed):
        pass


@pytest.mark.parametrize(
    ("optimizer", "parameters", "bytes_a_number"), [("nvme", "none", 16), ("cpu", "nvme", 2), ("nvme", "nvme", 18)]
)
def test_a_nodes_ranks_need_their_share_of_the_model(
    base: Folder, optimizer: str, parameters: str, bytes_a_number: int
) -> None:
    zero = {"offload_optimizer": optimizer, "offload_parameters": parameters, "nvme_path": "/nvme"}
    settings = TrainSettings.model_validate({"ranks": 8, "zero": zero})
    weights = load_file(base.path / "unet" / "diffusion_pytorch_model.safetensors")
    whole = sum(tensor.size for tensor in weights.values())
    assert needed_bytes(settings, whole, ranks=2) == bytes_a_number * whole * 2 // 8


def test_a_run_has_a_folder_of_its_own_which_goes_with_it(tmp_path: Path) -> None:
    zero = ZeroSettings(offload_optimizer="nvme", nvme_path=str(tmp_path))
    with nvme_folder(zero, "one", 0) as one, nvme_folder(zero, "two", 0) as two:
        assert one.nvme_path != two.nvme_path
        assert one.nvme_path is not None
        Path(one.nvme_path, "left.swp").touch()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_attempt_left_is_gone_when_the_next_one_begins(tmp_path: Path) -> None:
    (tmp_path / "platen-run").mkdir()
    (tmp_path / "platen-run" / "left.swp").touch()
    zero = ZeroSettings(offload_optimizer="nvme", nvme_path=str(tmp_path))
    with nvme_folder(zero, "run", 0) as own:
        assert own.nvme_path is not None
        assert list(Path(own.nvme_path).iterdir()) == []


def test_without_nvme_nothing_is_looked_at() -> None:
    with nvme_folder(ZeroSettings(), "run", 0) as own:
        assert own == ZeroSettings()
