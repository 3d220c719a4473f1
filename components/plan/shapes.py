"""Operations on the meta device, each asked once for its result's shape: a network repeats its blocks.

PyTorch works most of them out in Python, with several smaller ones; that is most of the time of following a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor


class Shapes:
    """Runs operations on the meta device, and makes the result itself where it knows what comes out."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def __call__(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The result of an operation, which nothing else shares memory with."""
        key = (func, _signature(args), _signature(tuple(kwargs.items()))) if _makes_new(func) else None
        if key in self._known:
            return _made(self._known[key])
        result = func(*args, **kwargs)
        if key is not None:
            self._known[key] = _signature(result)
        return result


@cache
def _makes_new(func: Any) -> bool:
    """Whether an operation changes nothing, and gives only tensors that share memory with nothing."""
    returns = func._schema.returns
    tensors = all(str(given.type) == "Tensor" and given.alias_info is None for given in returns)
    return bool(returns) and tensors and not func._schema.is_mutable


def _signature(value: Any) -> Any:
    """What a result's shape depends on, and what is needed to make one like it."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype
    return tuple(map(_signature, value)) if isinstance(value, tuple | list) else value


def _made(known: Any) -> Any:
    """A tensor, or several, from what is known of them; None stays."""
    if known is None:
        return None
    if isinstance(known[0], torch.Size):
        shape, stride, dtype = known
        return torch.empty_strided(shape, stride, dtype=dtype, device="meta")
    return tuple(map(_made, known))
