"""How much memory the tensors of a forward pass hold at once."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Live(TorchDispatchMode):
    """Watches every operator that runs and keeps `peak_bytes`, the most that live tensors held at one time.

    Live are the `inputs` and what operators put out, from the operator's end to the release of the memory by
    Python and autograd alike; views share their memory. The `held` tensors, parameters and buffers, are not
    counted, nor is what a kernel sets aside for itself.
    """

    def __init__(self, inputs: Iterable[Tensor], held: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak_bytes = 0
        self._bytes = 0
        self._known = {x.untyped_storage()._cdata for x in held}
        for x in inputs:
            self._hold(x)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator."""
        out = execute(func, args, kwargs or {})
        self.hold(out)
        return out

    def hold(self, out: Any) -> None:
        """Count what an operator put out as live until it is released."""
        for x in (out,) if isinstance(out, Tensor) else tree_leaves(out):
            if isinstance(x, Tensor):
                self._hold(x)

    def _hold(self, x: Tensor) -> None:
        storage = x.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        self._known.add(key)
        self._bytes += (size := storage.nbytes())
        self.peak_bytes = max(self.peak_bytes, self._bytes)
        weakref.finalize(storage, self._release, key, size).atexit = False

    def _release(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._bytes -= size


def execute(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run an operator; on the meta device, which computes shapes only, by a shorter way where there is one."""
    x = args[0] if args else None
    if func in SHAPES and type(x) is Tensor and x.device.type == "meta" and not kwargs:
        out = SHAPES[func](*args)
        if out is not None:
            return out
    return func(*args, **kwargs)


def _batch_norm(x: Tensor, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, *rest: Any) -> Any:
    statistics = x.new_empty(x.shape[1] if training else 0)
    return torch.empty_like(x), statistics, torch.empty_like(statistics)


def _bilinear(x: Tensor, size: list[int], *rest: Any) -> Tensor:
    return x.new_empty((*x.shape[:2], *size))


def _pointwise(x: Tensor, *rest: Any) -> Tensor | None:
    same = all(
        not isinstance(y, Tensor) or (y.shape, y.stride(), y.dtype) == (x.shape, x.stride(), x.dtype) for y in rest
    )
    return torch.empty_like(x) if same and x.is_contiguous() and x.is_floating_point() else None


aten = torch.ops.aten
SHAPES: dict[Any, Callable[..., Any]] = {  # torch's own meta kernels of these are slow, and networks full of them
    aten.native_batch_norm.default: _batch_norm,
    aten.upsample_bilinear2d.default: _bilinear,
    **dict.fromkeys(
        (
            aten.add.Tensor,
            aten.mul.Tensor,
            aten.relu.default,
            aten.silu.default,
            aten.gelu.default,
            aten.sigmoid.default,
            aten.hardswish.default,
        ),
        _pointwise,
    ),
}
