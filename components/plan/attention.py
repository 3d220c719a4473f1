"""Arithmetic of a pass, and attention as fused kernels do it.

On the meta device PyTorch would take the slow way, which keeps a number for each pair of tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Counted(TorchDispatchMode):
    """While it lasts, floating-point operations are summed up in `flops`, and attention is fused.

    PyTorch's FlopCounterMode has the same table, but attributes each operation to a module, which takes longer than
    the pass. Attention is replaced by name: a mode of torch functions does not reach what a backward pass recomputes.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __enter__(self) -> Counted:
        """Begin."""
        self._attention = functional.scaled_dot_product_attention
        functional.scaled_dot_product_attention = self._fused
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *raised: Any) -> None:
        """End."""
        super().__exit__(*raised)  # type: ignore[no-untyped-call]
        functional.scaled_dot_product_attention = self._attention

    def _fused(self, query: Tensor, key: Tensor, value: Tensor, *others: Any, **options: Any) -> Tensor:
        result: Tensor = _Attention.apply(query, key, value, self)  # type: ignore[no-untyped-call]
        return result

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and add what PyTorch's table says of it."""
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        return result


class _Attention(torch.autograd.Function):
    """Shapes and saved tensors of a fused attention kernel; nothing is computed."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, counted: Counted) -> Tensor:
        out = query.new_empty(*query.shape[:-1], value.shape[-1])
        sums = query.new_empty(query.shape[:-1], dtype=torch.float32)
        ctx.save_for_backward(query, key, value, out, sums)
        ctx.counted = counted
        ctx.flops = 2 * key.shape[-2] * (query.numel() + out.numel())
        counted.flops += ctx.flops
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, _, _ = ctx.saved_tensors
        ctx.counted.flops += 2 * ctx.flops
        return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value), None
