"""A contact sheet: images with their annotations drawn, each as it is read and as training varies it."""

import colorsys
from collections.abc import Iterable, Mapping, Sequence

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.transforms.v2 import functional as F
from torchvision.utils import make_grid

from skipbench.bench.data.annotations import Colour, Sample, enlarged
from skipbench.bench.data.base import Data, DataInfo
from skipbench.bench.data.loading import collate
from skipbench.bench.data.pixels import visible
from skipbench.bench.training.augmentation import Augmentation, Augmenter
from skipbench.bench.training.crops import Crops

_SHORTEST_SIDE = 320  # px; smaller images are enlarged, so that names can be read
_COLUMNS = 4
_LINE = 18  # px, the height of a line of the legend
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_HUES = 8  # then they come again in another tone
_TONES = ((0.85, 1.0), (1.0, 0.55), (0.45, 1.0))  # saturation and brightness
_LONGEST_LEGEND = 2000  # px


def contact_sheet(data: Data, count: int, seed: int = 0) -> Image.Image:
    """Return `count` training images, or all if there are fewer, in pairs: as read, and as augmented by `seed`."""
    total = data.info.counts["train"]
    count = min(count, total)
    chosen = [index * total // count for index in range(count)]
    samples, augmentation = [data.train[index] for index in chosen], Augmentation(images_per_draw=1)
    trained = samples
    if data.info.resize == "crop":
        crops = Crops(data.train, data.info, augmentation)
        trained, augmentation = [crops[index, seed] for index in chosen], augmentation.uncropped
        samples = [unpadded(sample, data.info) for sample in samples]
    batch = Augmenter(augmentation, data.info)(collate(trained), seed)
    varied = [unpadded({key: values[index] for key, values in batch.items()}, data.info) for index in range(count)]
    tiles = [draw_sample(sample, data.info) for pair in zip(samples, varied, strict=True) for sample in pair]
    grid = F.to_pil_image(make_grid(tiles, min(_COLUMNS, len(tiles)), padding=4, pad_value=255))
    legend = _legend(data.info, grid.width)
    sheet = Image.new("RGB", (grid.width, legend.height + grid.height), _WHITE)
    sheet.paste(legend, (0, 0))
    sheet.paste(grid, (0, legend.height))
    return sheet


def unpadded(sample: Sample, info: DataInfo) -> Sample:
    """Return one sample of a batch without the padding of its annotations, its image as uint8 again."""
    own = dict(sample)
    if own["image"].is_floating_point():
        own["image"] = F.to_dtype(own["image"], torch.uint8, scale=True)
    for annotation in info.annotations:
        own |= annotation.unpadded(sample) if annotation.is_in(sample) else {}
    return own


def draw_sample(sample: Sample, info: DataInfo) -> Tensor:
    """Return the sample's image, (3, H, W) uint8, enlarged where it is small, with all that is annotated on it."""
    factor = -(-_SHORTEST_SIDE // min(info.size))
    image = enlarged(visible(sample["image"]), factor)
    colours = palettes(info)
    for annotation in info.annotations:
        if annotation.is_in(sample):
            image = annotation.draw(image, sample, factor, colours.get(annotation.legend, {}))
    return image


def palette(names: Iterable[str]) -> dict[str, Colour]:
    """Return a colour for each of the names, the same for every call."""
    return {name: _colour(index) for index, name in enumerate(dict.fromkeys(names))}


def _colour(index: int) -> Colour:
    tone, step = divmod(index, _HUES)
    saturation, brightness = _TONES[tone % len(_TONES)]
    hue = (3 * step + tone / 2) / _HUES % 1  # neighbours far apart, the next tone's between the last one's
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, brightness)
    return round(255 * red), round(255 * green), round(255 * blue)


def palettes(info: DataInfo) -> dict[str, dict[str, Colour]]:
    """Return the colour of each name by the legend that it is in."""
    legends = dict.fromkeys(annotation.legend for annotation in info.annotations if annotation.legend)
    return {
        legend: palette(
            name for annotation in info.annotations if annotation.legend == legend for name in annotation.shown
        )
        for legend in legends
    }


def _legend(info: DataInfo, width: int) -> Image.Image:
    """Return a strip that says which colour is which name."""
    title = f"{info.name}: as read (left) and as augmented (right) at {info.size[0]} x {info.size[1]} px"
    lines = [(f"{legend}: ", colours) for legend, colours in palettes(info).items() if colours]
    strip = Image.new("RGB", (width, _LONGEST_LEGEND), _WHITE)
    return strip.crop((0, 0, width, _write(strip, [(title, {}), *lines])))


def _write(strip: Image.Image, lines: Sequence[tuple[str, Mapping[str, Colour]]]) -> int:
    """Write lines of coloured names, broken where they are too long, and return how high they are in px."""
    font = ImageFont.load_default(13)
    draw = ImageDraw.Draw(strip)
    y = 4
    for head, colours in lines:
        draw.text((8, y), head, _BLACK, font)
        left = x = 8 + round(draw.textlength(head, font))
        for name, colour in colours.items():
            length = round(draw.textlength(name, font)) + 30
            if x + length > strip.width:
                x, y = left, y + _LINE
            draw.rectangle((x, y + 3, x + 10, y + 13), fill=colour, outline=_BLACK)
            draw.text((x + 14, y), name, _BLACK, font)
            x += length
        y += _LINE
    return y + 4
