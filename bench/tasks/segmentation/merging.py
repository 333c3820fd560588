"""Whether single objects are kept apart: objects that a prediction merges, and the adapted Rand error."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from skipbench.bench.data import Mask
from skipbench.bench.data.loading import Batch
from skipbench.bench.records.metrics import Metric
from skipbench.bench.tasks.base import Scorer, Tables

if TYPE_CHECKING:
    from skipbench.bench.tasks.segmentation import Segmentation

Labels = NDArray[np.integer]
COLUMNS = ("objects", "merges", "pairs_both", "pairs_true", "pairs_found")


class MergeScorer(Scorer):
    """How well the objects of a split are kept apart, of data that tell single objects.

    A class map is cut into its connected components (4 neighbours), the background left out. Objects are the
    components of the true map: two of a class that touch are one, as no class map could tell them apart.
    "merges" is how many objects are lost in a component that holds another: a component that has more than half of
    each of k objects merges k - 1; told as a share of all objects. "rand_error" is 1 - F of the pairs of pixels
    that are in one component, over the pixels of objects, the predicted background being a component as well
    (Arganda-Carreras et al. 2015, "Crowdsourcing the creation of image segmentation algorithms for connectomics");
    pairs are added up over the images of the split. Ignored pixels and ignored objects are left out.
    """

    scores = (
        Metric("merges", "Merged objects", "%", "lower", scale=100, least=0, most=1),
        Metric("rand_error", "Rand error", "%", "lower", scale=100, least=0, most=1),
    )

    def __init__(self, task: "Segmentation", device: torch.device) -> None:
        super().__init__(task, device)
        self._counts: list[tuple[int, ...]] = []  # of each image, see COLUMNS

    def update(self, outputs: list[Tensor], batch: Batch) -> None:
        """Take in logits (N, C, H, W), the last of `outputs`, and "mask" and "instances", perhaps "ignored"."""
        if "instances" not in batch:
            return
        instances = batch["instances"].long()
        known = (batch["mask"] != self.task.info[Mask].ignore_index) & ~self._ignored(instances, batch)
        true = batch["mask"].masked_fill(instances == 0, self.task.background)
        maps = (map_.cpu().numpy() for map_ in (outputs[-1].argmax(1), true, known))
        for found, truth, counted in zip(*maps, strict=True):
            parts = (components(labels, {self.task.background}) * counted for labels in (truth, found))
            self._counts.append(count_pairs(*parts))

    def _ignored(self, instances: Tensor, batch: Batch) -> Tensor:
        """Return which pixels (N, H, W) show an object that is marked as ignored."""
        if "ignored" not in batch:
            return torch.zeros_like(instances, dtype=torch.bool)
        marks = torch.nn.functional.pad(batch["ignored"], (1, 0))  # the first stands for no object
        return marks.gather(1, instances.flatten(1)).view_as(instances)

    def compute(self) -> dict[str, float]:
        """Return both scores, each between 0 and 1; neither where no object is."""
        objects, merges, both, true, found = map(sum, zip(*self._counts, strict=True)) if self._counts else [0] * 5
        values = {"merges": merges / objects} if objects else {}
        return values | ({"rand_error": 1 - 2 * both / (true + found)} if true + found else {})

    def per_image(self) -> Tables:
        """Return the numbers of each image: its "objects" and "merges", and pairs of pixels in one component.

        Of both maps, of the true one, of the predicted one: the Rand error is 1 - 2 both / (true + found).
        """
        numbers = np.array(self._counts, np.int64).reshape(-1, len(COLUMNS))
        columns = dict(zip(COLUMNS, numbers.T, strict=True))
        return {"merges": {"image": np.arange(len(numbers)), **columns}}


def components(labels: Labels, left_out: set[int]) -> NDArray[np.int32]:
    """Return the connected components (4 neighbours) of each class of labels (H, W), from 1, class by class.

    Pixels of the classes that are `left_out` are 0.
    """
    numbers = np.zeros(labels.shape, np.int32)
    last = 0
    for value in sorted(set(np.unique(labels).tolist()) - left_out):
        parts, count = ndimage.label(labels == value)
        numbers += np.where(parts > 0, parts + last, 0)
        last += count
    return numbers


def count_pairs(true: Labels, found: Labels) -> tuple[int, ...]:
    """Return what COLUMNS names of one image, from its true objects and predicted components (H, W), 0: none."""
    parts = int(found.max()) + 1
    both, shared = np.unique(true[true > 0].astype(np.int64) * parts + found[true > 0], return_counts=True)
    objects, part = both // parts, both % parts
    of_object, of_component = (np.bincount(numbers, shared).astype(np.int64) for numbers in (objects, part))
    held = (2 * shared > of_object[objects]) & (part > 0)
    merges = np.maximum(np.bincount(part[held]) - 1, 0).sum()
    pairs = (int((pixels * (pixels - 1)).sum()) for pixels in (shared, of_object, of_component))
    return int((of_object > 0).sum()), int(merges), *pairs
