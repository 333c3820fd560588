"""U-Net's border weights: the pixels between two objects that nearly touch weigh more in the loss."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

_REACH = 6  # sigmas; past these the extra weight is below 2e-8 of its maximum, less than float32 resolves


def border_weights(objects: Tensor, weight: float, sigma: float) -> Tensor:
    """Return w = 1 + weight * exp(-(d1 + d2)^2 / (2 sigma^2)) as (N, H, W) float32.

    d1 and d2 are the distances in px to the nearest and to the second nearest object, of objects (N, H, W):
    whole numbers, 0 where no object is. The weight is added everywhere, also on the objects themselves (d1 = 0).
    An image with fewer than two objects weighs 1 all over. Computed on the CPU.
    Ronneberger et al. 2015, "U-Net", equation 2 with w_c = 1: classes are not balanced.
    """
    maps = [_two_nearest(image, sigma).sum(0) for image in objects.cpu().numpy()]
    extra = np.exp(-(np.stack(maps) ** 2) / (2 * sigma**2))
    return torch.from_numpy(1 + weight * extra).to(objects.device, torch.float32)


def connected_objects(mask: Tensor, background: int, ignore_index: int) -> Tensor:
    """Return the connected components (4 neighbours) of each class but the background, (N, H, W) int32 from 1.

    Components of an image are numbered class by class; the background and ignored pixels of mask (N, H, W) are 0.
    """
    return torch.from_numpy(
        np.stack([_components(image, {background, ignore_index}) for image in mask.cpu().numpy()])
    )


def _components(mask: NDArray[np.integer], left_out: set[int]) -> NDArray[np.int32]:
    numbers = np.zeros(mask.shape, np.int32)
    for value in sorted(set(np.unique(mask).tolist()) - left_out):
        found, _ = ndimage.label(mask == value)
        numbers += np.where(found > 0, found + numbers.max(), 0)
    return numbers


def _two_nearest(objects: NDArray[np.integer], sigma: float) -> NDArray[np.float64]:
    """Return the distances (2, H, W) to the nearest and second nearest object, infinite past the reach."""
    nearest = np.full((2, *objects.shape), np.inf)
    margin = int(np.ceil(_REACH * sigma))
    for number, window in enumerate(ndimage.find_objects(objects), start=1):
        if window is None:
            continue
        around = tuple(slice(max(each.start - margin, 0), each.stop + margin) for each in window)
        distance = ndimage.distance_transform_edt(objects[around] != number)
        so_far = nearest[(slice(None), *around)]
        so_far[:] = np.sort(np.stack([*so_far, distance]), axis=0)[:2]
    return nearest
