"""Where pixels and points of an image go: inside or outside, to another size, along with a bending field."""

import torch
from torch import Tensor
from torch.nn import functional

_STEPS = 40  # half steps towards where a point goes
_FOUND = 0.5  # px; a point's place is known if it is found to within this


def inside(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Return which points (..., 2), x, y in px, lie in an image of `size` (H, W); NaN does not."""
    return ((points >= 0) & (points < points.new_tensor([size[1], size[0]]))).all(-1)


def resize_labels(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Return labels (..., h, w) at `size`, each pixel the nearest of the given ones.

    Where two are equally near, which every halving is full of, it is now the one, now the other: torch takes
    the right and the lower one always, and so moves masks against their images by a quarter of a pixel.
    """
    rows, columns = (_nearest(have, want) for have, want in zip(labels.shape[-2:], size, strict=True))
    return labels.index_select(-2, rows.to(labels.device)).index_select(-1, columns.to(labels.device))


def _nearest(have: int, want: int) -> Tensor:
    """Return for each of `want` pixels over a length the index of the nearest of the `have` over it."""
    number = torch.arange(want)
    doubled = (2 * number + 1) * have  # twice the pixel's middle, in given pixels, times `want`
    after, before = doubled // (2 * want), (doubled - 1) // (2 * want)
    return torch.where(number % 2 == 0, after, before)


class Field:
    """Displacements d, x and y in px (N, 2, H, W): what was at p + d(p) comes to p, past the border its pixels."""

    def __init__(self, displacements: Tensor) -> None:
        y, x = (torch.arange(length, device=displacements.device) + 0.5 for length in displacements.shape[-2:])
        self.size: tuple[int, int] = (len(y), len(x))
        self._displacements = displacements
        self._sources = torch.stack(torch.meshgrid(x, y, indexing="xy")) + displacements

    def bend(self, image: Tensor) -> Tensor:
        """Return images (N, C, H, W) bent, sampled bilinearly; integers are rounded."""
        bent = sample_at(image, self._sources, "bilinear")
        return bent if image.is_floating_point() else bent.round().to(image.dtype)

    def bend_labels(self, labels: Tensor) -> Tensor:
        """Return labels (N, H, W) bent, each pixel the nearest of the given ones."""
        return sample_at(labels[:, None], self._sources, "nearest")[:, 0].to(labels.dtype)

    def move(self, points: Tensor) -> Tensor:
        """Return the places q with q + d(q) = points (N, n, 2); NaN where the field folds and none is found."""
        place = points
        for _ in range(_STEPS):  # half steps also converge where the field is steep
            place = (place + points - self._at(place)) / 2
        lost = (place + self._at(place) - points).norm(dim=-1) > _FOUND
        return place.masked_fill(lost[..., None], torch.nan)

    def _at(self, points: Tensor) -> Tensor:
        """Return the displacement at points (N, n, 2) in px, in the same shape."""
        return sample_at(self._displacements, points.mT[:, :, None], "bilinear")[:, :, 0].mT


def sample_at(values: Tensor, places: Tensor, mode: str) -> Tensor:
    """Return values (N, C, H, W) as float32 at places (N, 2, h, w), which are x, y in px."""
    height, width = values.shape[-2:]
    grid = 2 * places.movedim(1, -1) / places.new_tensor([width, height]) - 1
    return functional.grid_sample(values.float(), grid, mode, padding_mode="border", align_corners=False)
