"""Samples of examined files at the size that a network sees, stretched, fitted or cropped."""

import math
from collections.abc import Mapping, Sequence
from functools import partial

from skipbench.bench.data.annotations import Annotation, Sample
from skipbench.bench.data.base import CachedDataset
from skipbench.bench.data.files.preflight import Examined, Facts, Reader
from skipbench.bench.data.pictures.opener import Opener
from skipbench.bench.data.windows import Resize, Size, cut, middle


def samples_of(
    facts: Mapping[str, Sequence[Facts]],
    annotations: Sequence[Annotation],
    checked: Examined,
    opener: Opener,
    seen: tuple[Resize, Size],
) -> list[CachedDataset]:
    """Return the samples of each split's facts; `seen` says how images come to which size."""
    resize, size = seen
    found = []
    for own in facts.values():
        reader = Reader(own, annotations, size, opener, checked.scaling)
        if resize == "fit":
            found.append(CachedDataset(reader.fitted, len(own), size, whole=reader.whole))
        elif resize == "crop":
            largest = max((each.size for each in own), key=math.prod, default=size)
            shown = partial(_middle, annotations=annotations, seen=size)
            found.append(CachedDataset(reader.whole, len(own), largest, shown=shown))
        else:
            found.append(CachedDataset(reader, len(own), size, whole=reader.whole))
    return found


def _middle(sample: Sample, annotations: Sequence[Annotation], seen: Size) -> Sample:
    """Return what the window in the middle of an image shows."""
    size = sample["image"].shape[-2], sample["image"].shape[-1]
    return cut(sample, annotations, middle(size, seen), seen)
