"""Whether masks show in each box the class that the box is of: if not, the order of the classes is another."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from skipbench.bench.data.annotations import Boxes, Mask
from skipbench.bench.data.files.preflight import Facts
from skipbench.bench.data.pictures.masks import mask_pixels
from skipbench.bench.data.pictures.opener import Opener

LOOKED_AT = 200  # images


def contradictions(facts: Iterable[Facts], boxes: Boxes, mask: Mask, opener: Opener) -> Iterator[str]:
    """Yield a sentence on the class of which most boxes show no pixel in the masks, and the one that they show."""
    shown: dict[str, Counter[str]] = defaultdict(Counter)  # class of boxes -> what they show
    for each in facts:
        path, objects = each.seen[Mask].truth, each.seen[Boxes].truth
        classes = mask.numbered(mask_pixels(opener.load(path, bool(each.entry.upright)), path))
        for corners, label in zip(objects.corners, objects.labels.tolist(), strict=True):
            left, top, right, bottom = corners.round().astype(int)
            shown[boxes.names[label]][_most(classes[top:bottom, left:right], mask, boxes.names[label])] += 1
    wrong = {name: counts for name, counts in shown.items() if 2 * counts[name] < counts.total()}
    for name, counts in list(wrong.items())[:1]:
        other, _ = counts.most_common(1)[0]
        yield (
            f"Boxes contradict masks, of {len(wrong)} class(es): {counts.total() - counts[name]:,} of "
            f"{counts.total():,} boxes of '{name}' show no '{name}' in the masks, mostly '{other}'. A file "
            "class_names.txt in the folder, one name per line from background on, says which number is which class."
        )


def _most(region: np.ndarray, mask: Mask, name: str) -> str:
    """Return `name` where the region shows it, else what it shows most of, beside background."""
    present = Counter(region.ravel().tolist())
    if name in mask.names and present[mask.names.index(name)]:
        return name
    counts: dict[str, int] = {
        mask.names[value]: count for value, count in present.items() if value < len(mask.names)
    }
    counts = {other: count for other, count in counts.items() if other != "background"} or {"background": 1}
    most: str = max(counts, key=lambda other: counts[other])
    return most
