"""Images in windows, which come to a network in full batches, whichever images they are of."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import TypeVar

import torch
from torch import Tensor

from skipbench.bench.tasks.view import Size, View

T = TypeVar("T")


def by_view(
    images: Iterable[tuple[View, T]], size: Size, batch_size: int, predict: Callable[[Tensor], list[Tensor]]
) -> Iterator[tuple[View, T, Iterator[list[Tensor]]]]:
    """Yield each view with what came along, and what `predict` gives for each of its windows, each (C, h, w).

    `predict` is given windows at `size` (H, W), in batches (N, C, H, W) uint8. The windows' outputs are to be read
    before the next view is asked for; what is left of them is passed over. A few images are in memory at a time.
    """
    begun: deque[tuple[View, T]] = deque()

    def windows() -> Iterator[Tensor]:
        for view, along in images:
            begun.append((view, along))
            yield from view.crops(size)

    def outputs() -> Iterator[list[Tensor]]:
        crops = windows()
        while batch := list(islice(crops, batch_size)):
            yield from map(list, zip(*predict(torch.stack(batch)), strict=True))

    found = outputs()
    for first in found:
        view, along = begun.popleft()
        own = chain([first], islice(found, len(view.windows) - 1))
        yield view, along, own
        deque(own, maxlen=0)
