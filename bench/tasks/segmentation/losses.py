"""How wrong logits are, pixel by pixel and class by class, and what classes weigh."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def focal(cross_entropy: Tensor, gamma: float) -> Tensor:
    """Return the focal loss of pixels, of any shape, from their cross-entropy: times (1 - p)^gamma.

    p is the probability of the true class. Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 4,
    for a softmax; torchvision's is for a sigmoid per class.
    """
    return cross_entropy * (1 - (-cross_entropy).exp()) ** gamma if gamma else cross_entropy


def dice_loss(logits: Tensor, mask: Tensor, labelled: Tensor) -> Tensor:
    """Return 1 - the mean soft Dice of the classes that `mask` (N, H, W) has among its `labelled` pixels, or 0.

    2 sum(p t) / (sum p + sum t) of each class over the whole batch, p being the softmax of logits (N, C, H, W).
    Milletari et al. 2016, "V-Net", but without squares in the sums, as is usual since.
    """
    classes = logits.shape[1]
    chosen = mask.masked_fill(~labelled, 0)
    truth = functional.one_hot(chosen, classes).movedim(-1, 1) * labelled[:, None]
    found = logits.softmax(1) * labelled[:, None]
    both, each = (values.sum((0, 2, 3)) for values in (found * truth, found + truth))
    there = truth.sum((0, 2, 3)) > 0
    return 1 - (2 * both[there] / each[there]).mean() if there.any() else logits.sum() * 0


def balanced(samples: Any, classes: int, whole: bool = False) -> Tensor:
    """Return what each class weighs, (classes,), so that all weigh alike over the samples' pixels.

    Labelled pixels / (classes x pixels of the class); 1 for a class without any. Of images that are learnt in
    windows, `whole` samples count.
    """
    counts = torch.zeros(classes, dtype=torch.int64)
    for index in range(len(samples)):
        sample = samples.whole(index) if whole else samples[index]
        values = torch.bincount(sample["mask"].flatten().long(), minlength=classes)
        counts += values[:classes]  # what is ignored lies past them
    weights = counts.sum() / (classes * counts.clamp(min=1))
    return weights.masked_fill(counts == 0, 1.0)
