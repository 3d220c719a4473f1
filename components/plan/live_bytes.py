"""Bytes of the tensors that are alive, followed operation by operation: on the meta device a forecast, else a measure.

What a kernel allocates and frees within itself is not seen.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

Run = Callable[[Any, Any, Any], Any]  # of an operation, its arguments, and those by name
MARK = 1009  # a batch size that divides no channel count: what it divides grows with the batch


def call(func: Any, args: Any, kwargs: Any) -> Any:
    """Run an operation as it is."""
    return func(*args, **kwargs)


class LiveBytes(TorchDispatchMode):
    """Follows every storage that an operation makes until it is freed.

    Attributes:
        fixed: Live bytes that a larger batch leaves as they are.
        scaled: Live bytes of storages that grow with the batch; only where `mark` is the batch size.
        peaks: The (bytes a sample, fixed bytes) pairs among which the peak is, whatever the batch.
        one_each: Sizes in bytes of storages of which as many lived at once as the batch has samples: one for each.

    Args:
        known: Tensors that are not counted (parameters).
        mark: The batch size; a storage with a number of bytes that it divides is split among the samples.
        run: Runs an operation.
        one_each: Sizes that an earlier pass found to be those of a sample's own storages, which grow with the batch.
    """

    def __init__(
        self,
        known: Iterable[torch.Tensor] = (),
        mark: int | None = None,
        run: Run = call,
        one_each: Container[int] = (),
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.mark = mark
        self._run = run
        self.scaled = self.fixed = 0
        self.peaks: list[tuple[int, int]] = []
        self.one_each: set[int] = set()
        self._of_a_sample = one_each
        self._alike: Counter[int] = Counter()
        self._known = {tensor.untyped_storage()._cdata for tensor in known}

    @property
    def peak(self) -> int:
        """The most bytes that were alive, where there is no mark."""
        return max((fixed for _, fixed in self.peaks), default=0)

    def count(self, tensor: torch.Tensor) -> None:
        """Count a tensor's storage, once, from now until it is freed."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known or (self.mark is None and tensor.device.type == "meta"):
            return
        size = storage.nbytes()
        scales = self.mark is not None and size > 0 and (size % self.mark == 0 or size in self._of_a_sample)
        self._known.add(key)
        weakref.finalize(storage, self._freed, key, size, scales)
        self._add(size, scales)
        self._note()

    def _add(self, size: int, scales: bool) -> None:
        if scales:
            self.scaled += size
            return
        self.fixed += size
        if self.mark and size:
            self._alike[abs(size)] += 1 if size > 0 else -1
            if self._alike[abs(size)] >= self.mark:
                self.one_each.add(size)

    def _freed(self, key: int, size: int, scales: bool) -> None:
        self._known.discard(key)
        self._add(-size, scales)

    def _note(self) -> None:
        """Keep this moment unless an earlier one was as high in both, and drop those that it tops."""
        here = (self.scaled // self.mark if self.mark else 0, self.fixed)
        if any(scaled >= here[0] and fixed >= here[1] for scaled, fixed in self.peaks):
            return
        self.peaks = [peak for peak in self.peaks if peak[0] > here[0] or peak[1] > here[1]] + [here]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count what it made."""
        result = self._run(func, args, kwargs or {})
        for tensor in _tensors(result):
            self.count(tensor)
        return result


def _tensors(result: Any) -> Iterator[torch.Tensor]:
    """Those that an operation gave: one, or some in a list."""
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, list | tuple):
        for part in result:
            yield from _tensors(part)
