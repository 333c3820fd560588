"""Levels: what of each a decoder may assume, and how large its maps are."""

from dataclasses import dataclass

Size = tuple[int, int]  # (height, width) in pixels


@dataclass(frozen=True)
class FeatureSpec:
    """What an encoder publishes of one level, and all that a decoder may assume of it.

    `stride` is in input pixels per feature pixel; it is a fraction where a patch of 14 is upsampled by 4.
    """

    channels: int
    stride: float


def level_size(image_size: Size, stride: float) -> Size:
    """Return the size of a level of that stride where every level rounds up."""
    # whole and positive numbers only: a size may be a symbol of torch.export, and ONNX divides towards zero
    over, under = stride.as_integer_ratio()
    height, width = ((extent * under + over - 1) // over for extent in image_size)
    return height, width
