"""Batches from a dataset: padded to one shape, and the next one made while a network works on this one."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from skipbench.bench.data.annotations import KEYS, Batch, Sample

__all__ = ["Batch", "batches", "collate", "in_order", "in_random_order"]

_AHEAD = 2  # batches that are made in advance


def collate(samples: Sequence[Sample], keys: Iterable[str] | None = None) -> Batch:
    """Return samples as one batch, of all keys or of those of `keys` that they have.

    Where images show different numbers of something, they are padded to the largest, as its annotation says.
    """
    wanted = samples[0] if keys is None else [key for key in keys if key in samples[0]]
    return {key: _join(key, [sample[key] for sample in samples]) for key in wanted}


def _join(key: str, values: list[Tensor]) -> Tensor:
    padding = KEYS[key].padding if key in KEYS else None
    if padding is None:
        return torch.stack(values)
    return pad_sequence(values, batch_first=True, padding_value=padding)


def batches(
    dataset: Dataset[Sample], keys: Iterable[str], order: Iterable[Sequence[Any]], at_once: bool = False
) -> Iterator[Batch]:
    """Yield the batch of each list of indices in `order`, read and decoded by one thread, ahead of its use.

    With `at_once`, a batch whose samples the dataset holds in memory is made when it is asked for: a network on the
    CPU loses more to a second thread of Python than that takes (a tenth of a small network's step).
    """
    keys, held = tuple(keys), getattr(dataset, "holds", None) if at_once else None

    def make(indices: Sequence[Any]) -> Batch:
        return collate([dataset[index] for index in indices], keys)

    def begin(indices: Sequence[Any]) -> Callable[[], Batch]:
        if held and all(map(held, indices)):
            return partial(make, indices)
        return worker.submit(make, indices).result

    todo = iter(order)
    with ThreadPoolExecutor(1) as worker:
        waiting = [begin(indices) for indices in islice(todo, _AHEAD)]
        while waiting:
            batch = waiting.pop(0)()
            waiting += map(begin, islice(todo, 1))
            yield batch


def in_order(samples: int, batch_size: int) -> list[range]:
    """Return the indices of each batch of one pass in the dataset's order."""
    return [range(start, min(start + batch_size, samples)) for start in range(0, samples, batch_size)]


def in_random_order(samples: int, steps: int, batch_size: int, generator: torch.Generator) -> list[list[int]]:
    """Return the indices of `steps` batches: every sample once in random order, then all again, and so on."""
    passes = math.ceil(steps * batch_size / samples)
    order = torch.cat([torch.randperm(samples, generator=generator) for _ in range(passes)]).tolist()
    return [order[step * batch_size : (step + 1) * batch_size] for step in range(steps)]
