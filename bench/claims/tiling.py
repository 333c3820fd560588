"""Are tiles seamless? A U-Net's prediction for a whole image against the same image in tiles."""

import torch
from torch import Tensor, nn

from skipbench.archs import EncoderDecoder, create_model

WIDTHS = (4, 6, 8, 8)  # of a small U-Net, which pools three times
STEP = 2 ** (len(WIDTHS) - 1)  # px by which tiles may be moved without pooling other pixels together
TILE, TILES = 96, 3  # px a side; steps of one tile after the other, in each direction
TAPS = 3  # weights of a filter that are not 0


def tile_differences(seed: int = 0) -> dict[str, float]:
    """Return the largest difference of any logit between tiles and whole, of a U-Net "unpadded" and "padded".

    Weights and image are small whole numbers drawn from `seed`, so that float64 computes without rounding, whatever
    the order: a difference is one of the network, and 0 is exactly 0.
    """
    return {
        name: _largest_difference(padding, seed) for name, padding in (("unpadded", "valid"), ("padded", "same"))
    }


def _largest_difference(padding: str, seed: int) -> float:
    random = torch.Generator().manual_seed(seed)
    model = _whole_numbers(padding, random)
    side = TILE + 2 * TILES * STEP
    image = torch.randint(0, 3, (1, 1, side, side), generator=random).double()
    with torch.inference_mode():
        whole = model(image)
        tops = range(0, side - TILE + 1, TILES * STEP)
        differences = [
            _difference(model(image[..., top : top + TILE, left : left + TILE]), whole, top, left)
            for top in tops
            for left in tops
        ]
    return max(differences)


def _difference(tile: Tensor, whole: Tensor, top: int, left: int) -> float:
    height, width = tile.shape[-2:]
    return float((tile - whole[..., top : top + height, left : left + width]).abs().max())


def _whole_numbers(padding: str, random: torch.Generator) -> EncoderDecoder:
    """Return a U-Net in float64 whose filters have TAPS weights of 1 or -1; biases are 0, 1 or 2."""
    model = create_model(
        "unet.paper", in_channels=1, classes=2, padding=padding, encoder_args={"widths": list(WIDTHS)}
    ).double()
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.weight.data = _sparse(layer.weight, isinstance(layer, nn.ConvTranspose2d), random)
            assert layer.bias is not None
            layer.bias.data = torch.randint(0, 3, layer.bias.shape, generator=random).double()
    return model.eval()


def _sparse(weight: Tensor, transposed: bool, random: torch.Generator) -> Tensor:
    """Return a weight of that shape, in which each output pixel sums TAPS of its inputs at most."""
    filters = weight.transpose(0, 1) if transposed else weight  # (O, I, h, w)
    rows = filters.permute(0, 2, 3, 1).flatten(0, 2) if transposed else filters.flatten(1)
    places = torch.rand(rows.shape, generator=random).argsort(1)[:, :TAPS]
    signs = torch.where(torch.rand(places.shape, generator=random) < 0.7, 1.0, -1.0).double()
    drawn = torch.zeros(rows.shape, dtype=torch.float64).scatter(1, places, signs)
    if not transposed:
        return drawn.view(filters.shape)
    outputs, inputs, height, width = filters.shape
    return drawn.view(outputs, height, width, inputs).permute(3, 0, 1, 2)
