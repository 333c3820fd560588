"""Heatmaps of joints: a Gaussian drawn around each one, and the maxima found again between the pixels.

Heatmap coordinates count heatmap pixels; pixel i covers i to i + 1, so that its centre lies at i + 0.5.
"""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

from skipbench.bench.data.geometry import sample_at
from skipbench.bench.tasks.view import View

Subpixel = Literal["taylor", "quarter"]

_FLOOR = 1e-10  # heatmap values are raised to this before their logarithm is taken


def draw(points: Tensor, annotated: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """Return one heatmap per kind of joint (N, J, h, w): the Gaussians of all people, the highest where they meet.

    `points` (N, P, J, 2) are x, y in heatmap pixels, `sigma` too; `size` is (h, w). A Gaussian is 1 at its
    point, wherever between the pixels that lies. Joints that are not `annotated` (N, P, J) draw nothing.
    """
    rows, columns = (_bells(points[..., axis], size[1 - axis], sigma) for axis in (1, 0))
    rows = torch.where(annotated[..., None], rows, 0)
    columns = torch.where(annotated[..., None], columns, 0)
    heatmaps = rows.new_zeros(len(points), points.shape[2], *size)
    for row, column in zip(rows.unbind(1), columns.unbind(1), strict=True):  # person by person, to save memory
        heatmaps = torch.maximum(heatmaps, row[..., :, None] * column[..., None, :])
    return heatmaps


def _bells(centres: Tensor, length: int, sigma: float) -> Tensor:
    """Return a Gaussian of height 1 around each centre (...) along one axis, (..., length)."""
    pixels = torch.arange(length, device=centres.device) + 0.5
    return torch.exp(-((pixels - centres[..., None]) ** 2) / (2 * sigma**2))


def find_peaks(heatmaps: Tensor, regions: Tensor, subpixel: Subpixel) -> tuple[Tensor, Tensor]:
    """Return where each of the heatmaps (M, J, h, w) is highest inside its region (M, J, h, w), and how high.

    That is x, y (M, J, 2) and the highest pixel's value (M, J). The place lies in that pixel, the first of several.
    "taylor" expands the logarithm of the heatmap to second order there (DARK, arXiv 1910.06278, without its
    smoothing), which is exact for a Gaussian also next to the border; where that has no maximum, the pixel's centre
    is taken. "quarter" moves from the centre by a quarter pixel towards the higher neighbour on each axis
    (arXiv 1603.06937).
    """
    height, width = heatmaps.shape[-2:]
    tops, best = heatmaps.masked_fill(~regions, -torch.inf).flatten(2).max(2)
    peak = torch.stack([best % width, best // width], -1)  # x, y
    last = torch.tensor([width - 2, height - 2], device=peak.device)
    centre = peak.clamp(min=1).minimum(last)  # the patch stays inside the map, also for a peak at its border
    patch = _patches(heatmaps, centre)
    if subpixel == "taylor":
        offset = (centre - peak + _summit(patch.clamp(min=_FLOOR).log())).clamp(-0.5, 0.5)
        offset = offset.nan_to_num(0.0)
    else:
        offset = torch.where(centre == peak, _slope(patch).sign() / 4, 0)
    return peak + 0.5 + offset, tops


def joined(heatmaps: Iterable[Tensor], view: View) -> Tensor:
    """Return the mean of the heatmaps (J, h, w) of windows within an image, as one (J, h', w') of all of it.

    Its pixels are about as large as theirs, between which it is interpolated bilinearly.
    """
    total, times = torch.empty(0), torch.empty(0)
    for window, given in zip(view.windows, heatmaps, strict=True):
        sides, lengths = (window.height, window.width), given.shape[1:]
        if not total.numel():
            size = [
                max(1, round(own * length / side))
                for own, length, side in zip(view.size, lengths, sides, strict=True)
            ]
            total, times = given.new_zeros(len(given), *size), given.new_zeros(size)
            centres = [
                (torch.arange(pixels, device=given.device) + 0.5) * own / pixels
                for own, pixels in zip(view.size, size, strict=True)
            ]
        at = [places - start for places, start in zip(centres, window[:2], strict=True)]  # px of the window
        rows, columns = ((places >= 0) & (places < side) for places, side in zip(at, sides, strict=True))
        y, x = (
            places[known] * length / side
            for places, known, length, side in zip(at, (rows, columns), lengths, sides, strict=True)
        )
        part = sample_at(given[None], torch.stack(torch.meshgrid(x, y, indexing="xy"))[None], "bilinear")[0]
        here = rows[:, None] & columns
        total[:, here] += part.flatten(1)
        times[here] += 1
    return total / times


def _patches(heatmaps: Tensor, centre: Tensor) -> Tensor:
    """Return the 3 x 3 pixels around each centre (M, J, 2), as (M, J, 3, 3), rows first."""
    steps = torch.arange(-1, 2, device=centre.device)
    columns, rows = (centre[..., None] + steps).unbind(-2)
    height, width = heatmaps.shape[-2:]  # a map less than 3 pixels wide lends its border twice
    flat = rows.clamp(0, height - 1)[..., :, None] * width + columns.clamp(0, width - 1)[..., None, :]
    return heatmaps.flatten(2).gather(2, flat.flatten(2)).view(flat.shape)


def _slope(patch: Tensor) -> Tensor:
    """Return the first derivatives by x and y (..., 2) in the middle of patches (..., 3, 3)."""
    return torch.stack([patch[..., 1, 2] - patch[..., 1, 0], patch[..., 2, 1] - patch[..., 0, 1]], -1) / 2


def _summit(patch: Tensor) -> Tensor:
    """Return x, y from the middle of patches (..., 3, 3) to the maximum of their paraboloid; NaN without one."""
    dx, dy = _slope(patch).unbind(-1)
    dxx = patch[..., 1, 0] + patch[..., 1, 2] - 2 * patch[..., 1, 1]
    dyy = patch[..., 0, 1] + patch[..., 2, 1] - 2 * patch[..., 1, 1]
    dxy = (patch[..., 2, 2] - patch[..., 2, 0] - patch[..., 0, 2] + patch[..., 0, 0]) / 4
    determinant = dxx * dyy - dxy**2
    newton = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], -1) / determinant[..., None]
    peaked = (dxx < 0) & (determinant > 0)
    return newton.masked_fill(~peaked[..., None], torch.nan)
