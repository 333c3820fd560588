"""A contact sheet: images with their annotations drawn, each as it is read and as training varies it."""

import colorsys
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torchvision.transforms.v2 import functional as F
from torchvision.utils import draw_bounding_boxes, draw_keypoints, draw_segmentation_masks, make_grid

from bench.augment import Augmentation, Augmenter
from bench.data.base import Data, DataInfo, Sample
from bench.loading import collate

Colour = tuple[int, int, int]

_SHORTEST_SIDE = 320  # px; smaller images are enlarged, so that names can be read
_TRANSPARENCY = 0.45
_COLUMNS = 4
_LINE = 18  # px, the height of a line of the legend
_WHITE, _GREY, _BLACK = (255, 255, 255), (150, 150, 150), (0, 0, 0)
_HUES = 8  # then they come again in another tone
_TONES = ((0.85, 1.0), (1.0, 0.55), (0.45, 1.0))  # saturation and brightness
_LONGEST_LEGEND = 2000  # px


def contact_sheet(data: Data, count: int, seed: int = 0) -> Image.Image:
    """Return `count` training images, or all if there are fewer, in pairs: as read, and as augmented by `seed`."""
    total = data.info.counts["train"]
    count = min(count, total)
    samples = [data.train[index * total // count] for index in range(count)]
    augmenter = Augmenter(Augmentation(images_per_draw=1), data.info)
    batch = augmenter(collate(samples), seed)
    varied = [unpadded({key: values[index] for key, values in batch.items()}) for index in range(count)]
    tiles = [draw_sample(each, data.info) for pair in zip(samples, varied, strict=True) for each in pair]
    grid = F.to_pil_image(make_grid(tiles, min(_COLUMNS, len(tiles)), padding=4, pad_value=255))
    return _above(_legend(data.info, grid.width), grid)


def unpadded(sample: Sample) -> Sample:
    """Return one sample of a batch without the padding of its boxes and figures, its image as uint8 again."""
    own = dict(sample)
    if own["image"].is_floating_point():
        own["image"] = F.to_dtype(own["image"], torch.uint8, scale=True)
    if "labels" in own:
        own |= {key: own[key][sample["labels"] >= 0] for key in ("boxes", "labels", "ignored")}
    if "visibility" in own:
        own |= {key: own[key][(sample["visibility"] > 0).any(1)] for key in ("joints", "visibility")}
    return own


def draw_sample(sample: Sample, info: DataInfo) -> Tensor:
    """Return the sample's image, (3, H, W) uint8, enlarged where it is small, with all that is annotated on it."""
    factor = -(-_SHORTEST_SIDE // min(info.size))
    image = sample["image"].repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    if "mask" in sample:
        mask = sample["mask"].repeat_interleave(factor, 0).repeat_interleave(factor, 1)
        image = _draw_mask(image, mask, info)
    if "boxes" in sample and len(sample["boxes"]):
        image = _draw_boxes(image, sample, factor, info)
    if "joints" in sample and len(sample["joints"]):
        image = _draw_joints(image, sample["joints"].nan_to_num() * factor, sample["visibility"], info)
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


def _class_colours(info: DataInfo) -> dict[str, Colour]:
    """Return the colour of each class of masks and boxes; a background has none."""
    return palette(name for name in (*info.classes, *info.objects) if name != "background")


def _draw_mask(image: Tensor, mask: Tensor, info: DataInfo) -> Tensor:
    """Tint the pixels of each class; a background stays as it is, what counts nowhere is darkened."""
    colours = _class_colours(info)
    tints = {value: colours[name] for value, name in enumerate(info.classes) if name in colours}
    tints[info.ignore_index] = _BLACK
    present = [value for value in np.unique(mask).tolist() if value in tints]
    if not present:
        return image
    masks = torch.stack([mask == value for value in present])
    tinted: Tensor = draw_segmentation_masks(image, masks, _TRANSPARENCY, [tints[value] for value in present])
    return tinted


def _draw_boxes(image: Tensor, sample: Sample, factor: int, info: DataInfo) -> Tensor:
    colours = _class_colours(info)
    names = [info.objects[label] for label in sample["labels"].tolist()]
    ignored = sample["ignored"].tolist()
    drawn: Tensor = draw_bounding_boxes(
        image,
        sample["boxes"] * factor,
        [name + " (ignored)" * skip for name, skip in zip(names, ignored, strict=True)],
        [_GREY if skip else colours[name] for name, skip in zip(names, ignored, strict=True)],
        width=2,
        fill_labels=True,
    )
    return drawn


def _draw_joints(image: Tensor, joints: Tensor, visibility: Tensor, info: DataInfo) -> Tensor:
    """Draw the bones in white, and on them each joint in its own colour, a hidden one smaller."""
    image = draw_keypoints(image, joints, list(info.bones), _WHITE, radius=1, width=2, visibility=visibility > 0)
    for joint, colour in enumerate(palette(info.joints).values()):
        for state, radius in ((1, 2), (2, 4)):
            seen = visibility[:, joint : joint + 1] == state
            point = joints[:, joint : joint + 1]
            image = draw_keypoints(image, point, colors=colour, radius=radius, visibility=seen)
    return image


def _legend(info: DataInfo, width: int) -> Image.Image:
    """Return a strip that says which colour is which class or joint."""
    title = f"{info.name}: as read (left) and as augmented (right) at {info.size[0]} x {info.size[1]} px"
    lines = [(title, {}), ("classes: ", _class_colours(info)), ("joints: ", palette(info.joints))]
    strip = Image.new("RGB", (width, _LONGEST_LEGEND), _WHITE)
    return strip.crop((0, 0, width, _write(strip, [line for line in lines if line[1] or line[0] == title])))


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


def _above(top: Image.Image, bottom: Image.Image) -> Image.Image:
    sheet = Image.new("RGB", (bottom.width, top.height + bottom.height), _WHITE)
    sheet.paste(top, (0, 0))
    sheet.paste(bottom, (0, top.height))
    return sheet
