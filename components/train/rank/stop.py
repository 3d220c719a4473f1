"""SIGTERM: told to one rank, agreed by all at the end of a step, so that all save the same checkpoint."""

from __future__ import annotations

import signal

import torch
import torch.distributed as dist


class StopFlag:
    """Whether any rank was told to stop. Made by all ranks together.

    Until `listen` SIGTERM ends the process at once: there is nothing to save yet that is not saved already.
    """

    def __init__(self) -> None:
        self.told = False
        self._group = dist.new_group(backend="gloo")  # a GPU need not be waited for

    def listen(self) -> None:
        """From now on SIGTERM is kept until the next step's end; another one changes nothing."""
        signal.signal(signal.SIGTERM, self._tell)

    def ignore(self) -> None:
        """From now on SIGTERM ends the process again."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _tell(self, number: int, frame: object) -> None:
        self.told = True

    def agreed(self) -> bool:
        """Whether all ranks stop here. Collective, after every step."""
        told = torch.tensor(int(self.told))
        dist.all_reduce(told, dist.ReduceOp.MAX, group=self._group)
        return bool(told)
