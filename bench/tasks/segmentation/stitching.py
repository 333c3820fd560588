"""Label maps at the size of an image, which may be too large for all its logits at once."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from skipbench.bench.data.windows import inner, shown
from skipbench.bench.tasks.view import Size, View, Window


def mean_logits(logits: Iterable[Tensor], view: View) -> Tensor:
    """Return the mean at each pixel of `view`, (C, H, W), of the logits of its windows, (C, h, w) each."""
    height, width = view.size
    total, times = torch.empty(0), torch.zeros(height, width)
    for window, given in zip(view.windows, logits, strict=True):
        if not total.numel():
            total, times = given.new_zeros(len(given), height, width), times.to(given.device)
        part = _resized(_unpadded(given, window, view), shown(view.size, window))
        rows, columns = (slice(start, start + side) for start, side in zip(window[:2], part.shape[1:], strict=True))
        total[:, rows, columns] += part
        times[rows, columns] += 1
    return total / times


def largest(logits: Tensor, view: View) -> Tensor:
    """Return the class with the largest of the logits (C, h, w) at each pixel of one window's view, (H, W).

    Its type is that of `stitched`. Logits are resized bilinearly, a class at a time.
    """
    (window,) = view.windows
    logits, size = _unpadded(logits, window, view), view.size
    best = _resized(logits[:1], size)[0]
    labels = torch.zeros(size, dtype=_type_for(len(logits)))
    for number in range(1, len(logits)):
        other = _resized(logits[number : number + 1], size)[0]
        labels[other > best] = number
        best = torch.maximum(best, other)
    return labels


def stitched(logits: Iterable[Tensor], view: View) -> Tensor:
    """Return the class with the largest mean logit at each pixel of `view`, (H, W).

    It is uint8, or int32 where there are too many classes for that. `logits` are those of each window, (C, h, w).
    Only the rows of one row of windows are in memory.
    """
    labels = torch.empty(0)
    rows, top = torch.empty(0), 0  # sums, which are largest where means are, from row `top` of the image on
    for window, given in zip(view.windows, logits, strict=True):
        if not rows.numel():
            labels = torch.empty(view.size, dtype=_type_for(len(given)))
            rows = given.new_zeros(len(given), window.height, view.size[1])
        if done := window.top - top:
            labels[top : window.top] = rows[:, :done].argmax(0)
            rows = torch.cat([rows[:, done:], rows.new_zeros(len(rows), done, view.size[1])], 1)
            top = window.top
        rows[:, :, window.left : window.left + window.width] += _resized(given, (window.height, window.width))
    labels[top:] = rows.argmax(0)
    return labels


def _type_for(classes: int) -> torch.dtype:
    return torch.uint8 if classes <= 256 else torch.int32


def _unpadded(logits: Tensor, window: Window, view: View) -> Tensor:
    height, width = inner(view.size, window, (logits.shape[1], logits.shape[2]))
    return logits[:, :height, :width]


def _resized(logits: Tensor, size: Size) -> Tensor:
    if logits.shape[1:] == size:
        return logits
    return interpolate(logits[None], size, mode="bilinear", align_corners=False)[0]
