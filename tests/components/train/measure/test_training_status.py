"""What TensorBoard gets of a window."""

from __future__ import annotations

import dataclasses

from platen.components.train.measure.ledger import Cost, Spent
from platen.components.train.measure.training_status import Straggler, TrainingStatus

STATUS = TrainingStatus(
    step=10,
    loss=0.5,
    samples_per_second=8.0,
    shares={"data": 0.25, "compute": 0.75},
    mfu=None,
    memory={"ema": 4},
    spent=Spent(wall=10, useful=5, lost=0, checkpoint=0, starting=5, between=0, other=0),
    seconds_left=1.0,
    cost=None,
    straggler=Straggler(1, "node-a/pod", "data", 0.3),
)


def test_what_is_not_known_is_not_drawn() -> None:
    assert STATUS.scalars() == {
        "speed/samples_per_second": 8.0,
        "speed/goodput": 0.5,
        "time/data": 0.25,
        "time/compute": 0.75,
        "memory/ema": 4.0,
    }


def test_what_is_known_is() -> None:
    known = dataclasses.replace(STATUS, mfu=0.0, cost=Cost(so_far=1.5, to_the_end=2.5))
    more = {name: value for name, value in known.scalars().items() if name not in STATUS.scalars()}
    assert more == {"speed/mfu": 0.0, "cost/so_far_usd": 1.5, "cost/to_the_end_usd": 2.5}
