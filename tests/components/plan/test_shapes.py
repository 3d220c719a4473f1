from __future__ import annotations

import torch

from platen.components.plan.live_bytes import MARK, LiveBytes
from platen.components.plan.profile import _step
from platen.components.plan.shapes import Shapes
from platen.families.stable_diffusion import FAMILY
from tests.components.plan.conftest import TINY


def test_a_step_holds_and_computes_the_same_when_shapes_are_known() -> None:
    with torch.device("meta"):
        denoiser = FAMILY.build_network(TINY)
        example = FAMILY.example(denoiser, MARK, (16, 16), 8)
    shapes = Shapes()
    asked = _step(denoiser, example, lambda func, args, kwargs: func(*args, **kwargs))
    assert _step(denoiser, example, shapes) == asked
    assert _step(denoiser, example, shapes) == asked


def test_what_is_known_is_made_anew_with_its_strides() -> None:
    with LiveBytes(mark=MARK, run=Shapes()):
        pictures = torch.empty(MARK, 3, 4, 4, device="meta").to(memory_format=torch.channels_last)
        first, second = pictures + 1, pictures + 1
    assert second.stride() == first.stride() == pictures.stride()
    assert second.untyped_storage()._cdata != first.untyped_storage()._cdata


def test_views_and_changes_in_place_stay_what_they_are() -> None:
    with LiveBytes(mark=MARK, run=Shapes()):
        numbers = torch.empty(MARK, 6, device="meta")
        views = [numbers.view(MARK, 2, 3) for _ in range(2)]
        changed = [numbers.add_(1) for _ in range(2)]
    assert {view.untyped_storage()._cdata for view in views} == {numbers.untyped_storage()._cdata}
    assert all(one is numbers for one in changed)
