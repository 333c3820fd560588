"""What a pixel of a mask means: each lossless encoding, levels, colours, lists of classes, and what is refused."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFilter

from skipbench.bench.data import Data, Mask, open_data
from skipbench.bench.data.files.class_lists import read_class_list
from skipbench.bench.data.findings import FileError
from skipbench.bench.data.folder import Folder
from skipbench.bench.errors import DataError, SuiteError

Save = Callable[[np.ndarray, Path], None]
ROAD, SKY, CAR = (128, 64, 128), (70, 130, 180), (0, 0, 142)


def classes_of(number: int, count: int = 3) -> np.ndarray:
    """Return a mask (40, 56) of `count` classes in blocks."""
    mask = np.zeros((40, 56), np.uint8)
    for value in range(1, count):
        mask[5 + number : 20 + number, 15 * value : 15 * value + 10] = value
    return mask


def write(root: Path, save: Save, end: str = "png", count: int = 3, images: int = 10) -> Path:
    """Write ten images, and the mask of each by what saves its classes."""
    for number in range(images):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 56, 3), np.uint8)
        for kind in ("images", "masks"):
            (root / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / f"images/{number}.png")
        save(classes_of(number, count), root / f"masks/{number}.{end}")
    return root


def opened(root: Path, **options: Any) -> Data:
    return open_data("folder", root, size=(40, 56), **options)


def assert_classes(data: Data, root: Path, count: int = 3) -> None:
    """Check that each image has its classes."""
    for split in (data.train, data.val, data.test):
        for index in range(len(split)):
            sample = split[index]
            numbers = [
                number
                for number in range(10)
                if np.array_equal(
                    np.random.default_rng(number).integers(0, 255, (40, 56, 3), np.uint8),
                    sample["image"].permute(1, 2, 0),
                )
            ]
            assert np.array_equal(sample["mask"], classes_of(numbers[0], count))


def by_pillow(convert: Callable[[Image.Image], Image.Image]) -> Save:
    return lambda mask, path: convert(Image.fromarray(mask)).save(path)


def with_palette(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putpalette([9, 9, 9, 200, 30, 30, 30, 200, 30])
    return image


def by_colour(colours: tuple[tuple[int, int, int], ...]) -> Save:
    return lambda mask, path: Image.fromarray(np.array(colours, np.uint8)[mask]).save(path)


def grey_png(mask: np.ndarray, bits: int) -> bytes:
    """Return a grey PNG of 2 or 4 bits, which Pillow does not write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    per_byte = 8 // bits
    shifts = np.arange(per_byte)[::-1] * bits
    packed = (mask.reshape(len(mask), -1, per_byte).astype(int) << shifts).sum(2).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    head = struct.pack(">IIBBBBB", mask.shape[1], mask.shape[0], bits, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


ENCODINGS: dict[str, tuple[str, Save]] = {
    "grey": ("png", by_pillow(lambda image: image)),
    "palette": ("png", by_pillow(with_palette)),
    "palette with transparency": (
        "png",
        lambda mask, path: with_palette(Image.fromarray(mask)).save(path, transparency=0),
    ),
    "equal colours": ("png", by_pillow(lambda image: image.convert("RGB"))),
    "equal colours and alpha": ("png", by_pillow(lambda image: image.convert("RGBA"))),
    "grey and alpha": ("png", by_pillow(lambda image: image.convert("LA"))),
    "16 bits": ("png", lambda mask, path: Image.fromarray(mask.astype(np.uint16)).save(path)),
    "GIF": ("gif", by_pillow(lambda image: image)),
    "BMP": ("bmp", by_pillow(lambda image: image)),
    "2 bits": ("png", lambda mask, path: path.write_bytes(grey_png(mask, 2))),
    "4 bits": ("png", lambda mask, path: path.write_bytes(grey_png(mask, 4))),
    "lossless WebP": ("webp", lambda mask, path: Image.fromarray(mask).convert("RGB").save(path, lossless=True)),
    "TIFF": ("tif", by_pillow(lambda image: image)),
    "TIFF of colours": ("tiff", by_pillow(lambda image: image.convert("RGB"))),
    "TIFF of 32 bits": ("tif", lambda mask, path: tifffile.imwrite(path, mask.astype(np.int32))),
    "whole floats": ("tif", lambda mask, path: tifffile.imwrite(path, mask.astype(np.float32))),
    "array": ("npy", lambda mask, path: np.save(path, mask.astype(np.int64))),
    "drawn by alpha": (
        "png",
        lambda mask, path: Image.merge("LA", [Image.new("L", (56, 40), 9), Image.fromarray(mask)]).save(path),
    ),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_lossless_encoding_of_a_number_per_pixel(tmp_path: Path, name: str) -> None:
    end, save = ENCODINGS[name]
    data = opened(write(tmp_path, save, end))
    assert data.info[Mask].names == ("class 0", "class 1", "class 2")
    assert_classes(data, tmp_path)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("1 bit", lambda mask, path: Image.fromarray(mask > 0).save(path)),
        ("bool array", lambda mask, path: np.save(path.with_suffix(".npy"), mask > 0)),
    ],
)
def test_one_bit_is_two_classes(tmp_path: Path, name: str, save: Save) -> None:
    data = opened(write(tmp_path, save, count=2))
    assert data.info[Mask].names == ("class 0", "class 1")
    assert_classes(data, tmp_path, 2)


def test_numbers_of_gifs_do_not_depend_on_what_else_is_in_the_file(tmp_path: Path) -> None:
    def save(mask: np.ndarray, path: Path) -> None:
        Image.fromarray(np.where(mask == 1, 0, mask).astype(np.uint8) if path.stem == "3" else mask).save(path)

    data = opened(write(tmp_path, save, "gif"))
    assert data.info[Mask].names == ("class 0", "class 1", "class 2")
    every = [split[k]["mask"] for split in (data.train, data.val, data.test) for k in range(len(split))]
    assert sorted(tuple(mask.unique().tolist()) for mask in every)[-1] == (0, 2)


# Levels


@pytest.mark.parametrize(
    "levels", [(0, 255), (0, 128, 255), (0, 127, 255), (0, 85, 170, 255), (0, 65535), (50, 255)]
)
@pytest.mark.parametrize("rgb", [False, True])
def test_levels_are_classes_by_their_order(tmp_path: Path, levels: tuple[int, ...], rgb: bool) -> None:
    def save(mask: np.ndarray, path: Path) -> None:
        values = np.array(levels, np.uint16 if max(levels) > 255 else np.uint8)[mask]
        Image.fromarray(np.repeat(values[..., None], 3, 2) if rgb and max(levels) < 256 else values).save(path)

    data = opened(write(tmp_path, save, count=len(levels)))
    assert data.info[Mask].names == tuple(f"class {level}" for level in levels)
    assert_classes(data, tmp_path, len(levels))
    (note,) = (note for note in data.info.notes if note.startswith("The masks hold the levels"))
    assert f"levels {', '.join(map(str, levels))}, and each is a class" in note
    names = ["membrane", "cell", "hole", "dirt"][: len(levels)]
    named = opened(tmp_path, classes=names)
    assert named.info[Mask].names == tuple(names)
    assert any(f"{levels[-1]} is {names[-1]}" in note for note in named.info.notes)
    assert_classes(named, tmp_path, len(levels))


def test_values_may_be_named_one_by_one(tmp_path: Path) -> None:
    root = write(tmp_path, lambda mask, path: Image.fromarray(mask * 255).save(path), count=2)
    data = opened(root, classes={0: "membrane", 255: "cell"})
    assert data.info[Mask].names == ("membrane", "cell")
    assert_classes(data, root, 2)
    with pytest.raises(SuiteError, match=r"data\.classes"):
        opened(root, classes={0: "membrane", "white": "cell"})


def test_255_beside_small_numbers_is_ignored(tmp_path: Path) -> None:
    def save(mask: np.ndarray, path: Path) -> None:
        Image.fromarray(np.where(mask == 2, 255, mask).astype(np.uint8)).save(path)

    info = opened(write(tmp_path, save)).info
    assert info[Mask].names == ("class 0", "class 1")
    assert any("value 255 is ignored" in note for note in info.notes)


def test_two_ways_to_write_one_class_are_said(tmp_path: Path) -> None:
    number = iter(range(10))

    def save(mask: np.ndarray, path: Path) -> None:
        Image.fromarray(mask * (255 if next(number) % 2 else 1)).save(path)

    notes = opened(write(tmp_path, save, count=2)).info.notes
    assert any(note.startswith("Of the masks, 5 hold 1 and 5 hold 255 beside 0, and none both") for note in notes)


# Colours


def test_colours_are_classes_by_themselves_with_a_note(tmp_path: Path) -> None:
    data = opened(write(tmp_path, by_colour((ROAD, SKY, CAR))))
    assert data.info[Mask].names == ("#00008e", "#4682b4", "#804080")
    assert any(
        "each of the 3 that occur is a class, called by its colour; data.colors=" in each
        for each in data.info.notes
    )
    assert sorted(data.train[0]["mask"].unique().tolist()) == [0, 1, 2]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("labelmap.txt", "# label:color_rgb:parts:actions\nroad:128,64,128::\nsky:70,130,180::\ncar:0,0,142::\n"),
        ("label_colors.txt", "128 64 128\troad\n70 130 180\tsky\n0 0 142\tcar\n"),
        ("class_dict.csv", "name,r,g,b\nroad,128,64,128\nsky,70,130,180\ncar,0,0,142\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_colours_by_a_list(tmp_path: Path, file: str, text: str, encoding: str) -> None:
    root = write(tmp_path, by_colour((ROAD, SKY, CAR)))
    (root / file).write_bytes(text.replace("\n", "\r\n").encode(encoding))
    data = opened(root)
    assert data.info[Mask].names == ("road", "sky", "car")
    assert_classes(data, root)


def test_colours_by_an_option(tmp_path: Path) -> None:
    root = write(tmp_path, by_colour((ROAD, SKY, CAR)))
    data = opened(root, colors={"road": ROAD, "sky": SKY, "car": CAR})
    assert data.info[Mask].names == ("road", "sky", "car")
    assert_classes(data, root)
    problems = [str(each) for each in Folder(root=root, colors={"road": ROAD, "sky": SKY}).survey().problems]
    assert len(problems) == 10
    assert problems[0].endswith(
        "contains the colour (0, 0, 142), which is not a class; expected (128, 64, 128), (70, 130, 180) ..."
    )
    ignoring = opened(root, colors={"road": ROAD, "sky": SKY, "void": CAR})
    assert ignoring.info[Mask].names == ("road", "sky")
    assert sorted(ignoring.train[0]["mask"].unique().tolist()) == [0, 1, 255]
    assert "'void' is ignored." in ignoring.info.notes


def test_a_palettes_colours_are_those_of_the_list(tmp_path: Path) -> None:
    def save(mask: np.ndarray, path: Path) -> None:
        image = Image.fromarray(2 - mask)  # numbers in another order than the list's
        image.putpalette([*CAR, *SKY, *ROAD])
        image.save(path)

    root = write(tmp_path, save)
    (root / "labelmap.txt").write_text("road:128,64,128::\nsky:70,130,180::\ncar:0,0,142::\n")
    assert_classes(opened(root), root)


def test_numbers_are_places_in_a_list_of_colours(tmp_path: Path) -> None:
    root = write(tmp_path, by_pillow(lambda image: image))
    (root / "labelmap.txt").write_text("road:128,64,128::\nsky:70,130,180::\ncar:0,0,142::\n")
    data = opened(root)
    assert data.info[Mask].names == ("road", "sky", "car")
    assert_classes(data, root)


def test_colours_without_a_list_but_with_names_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path, by_colour((ROAD, SKY, CAR)))
    with pytest.raises(
        DataError, match=r"are colours, but data\.classes names classes without their colours; give"
    ):
        opened(root, classes=["road", "sky", "car"])


def test_palettes_that_differ_are_said(tmp_path: Path) -> None:
    number = iter(range(10))

    def save(mask: np.ndarray, path: Path) -> None:
        image = Image.fromarray(mask)
        image.putpalette([0, 0, 0, *(ROAD if next(number) else SKY), *CAR])
        image.save(path)

    data = opened(write(tmp_path, save))
    (note,) = (note for note in data.info.notes if note.startswith("The palettes of masks differ"))
    assert "number 1 is (70, 130, 180) and (128, 64, 128). Numbers are classes" in note
    assert_classes(data, tmp_path)


# Lists of classes


@pytest.mark.parametrize(
    ("text", "names", "values"),
    [
        ("road\nsky\n", ("road", "sky"), None),
        ("__ignore__\n_background_\ncat\n", ("background", "cat"), None),
        ("Pixel Value, Class\n0, background\n7, cell\n", ("background", "cell"), (0, 7)),
        ("0: road\n1: night sky\n", ("road", "night sky"), (0, 1)),
    ],
)
def test_forms_of_lists(tmp_path: Path, text: str, names: tuple[str, ...], values: tuple[int, ...] | None) -> None:
    (tmp_path / "classes.txt").write_text(text)
    listed = read_class_list(tmp_path / "classes.txt")
    assert (listed.names, listed.values) == (names, values)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\n\nb", "empty name"),
        ("a\na", "duplicate class name 'a'"),
        ("0, a\n0, b", "gives one value to several classes"),
        ("a:0,0,0::\nb:0,0,0::", "gives one colour to several classes"),
        ("a:0,0,0::\nb:0,0,999::", "or one beyond 255"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(FileError, match=words):
        read_class_list(tmp_path / "classes.txt")


# What is refused, by name and with the mend


def smoothed(mask: np.ndarray, path: Path) -> None:
    Image.fromarray(mask * 255).resize((28, 20), Image.Resampling.BILINEAR).resize(
        (56, 40), Image.Resampling.BILINEAR
    ).save(path)


def drawn_smoothly(mask: np.ndarray, path: Path) -> None:
    Image.fromarray(np.array((ROAD, SKY, CAR), np.uint8)[mask]).filter(ImageFilter.GaussianBlur(1)).save(path)


def test_smoothed_masks_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"masks/0\.png: holds \d+ values, most of them only along borders, .* nearest"
    ):
        opened(write(tmp_path, smoothed, count=2))


def test_a_mask_that_was_enlarged_by_half_is_smoothed_too(tmp_path: Path) -> None:
    def save(mask: np.ndarray, path: Path) -> None:
        Image.fromarray(mask * 255).resize((28, 20), Image.Resampling.NEAREST).resize(
            (56, 40), Image.Resampling.BILINEAR
        ).save(path)

    with pytest.raises(DataError, match=r"most of them only along borders"):
        opened(write(tmp_path, save, count=2))


def test_smoothed_colours_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"without smoothing"):
        opened(write(tmp_path, drawn_smoothly))


def test_one_smoothed_mask_is_left_out(tmp_path: Path) -> None:
    root = write(tmp_path, lambda mask, path: Image.fromarray(mask * 255).save(path), count=2, images=20)
    smoothed(classes_of(3, 2), root / "masks/3.png")
    for options in ({}, {"classes": {0: "membrane", 255: "cell"}}, {"classes": ["membrane", "cell"]}):
        data = opened(root, **options)
        assert sum(data.info.counts.values()) == 19
        assert len(data.info[Mask].names) == 2
        assert any("(masks/3.png: holds" in note for note in data.info.notes)


@pytest.mark.parametrize(
    ("end", "options"), [("jpg", {"quality": 95}), ("webp", {"quality": 95}), ("tif", {"compression": "jpeg"})]
)
def test_lossy_masks_are_refused_by_name(tmp_path: Path, end: str, options: dict[str, Any]) -> None:
    root = write(tmp_path, lambda mask, path: Image.fromarray(mask).convert("RGB").save(path, **options), end)
    with pytest.raises(DataError, match=rf"masks/0\.{end}: is not stored losslessly; expected a PNG"):
        opened(root)


def test_fractions_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path, lambda mask, path: np.save(path, mask / 2), "npy")
    with pytest.raises(
        DataError, match=r"masks/0\.npy: is a mask with fractions; expected a whole number per pixel"
    ):
        opened(root)


def test_many_classes_in_small_areas_are_not_taken_for_smoothing(tmp_path: Path) -> None:
    def save(mask: np.ndarray, path: Path) -> None:
        many = mask.copy()
        for value in range(3, 30):
            row, column = divmod(value, 10)
            many[10 * row : 10 * row + 3, 5 * column : 5 * column + 3] = value
        Image.fromarray(many).save(path)

    assert len(opened(write(tmp_path, save)).info[Mask].names) == 30


def test_masks_with_noise_are_refused(tmp_path: Path) -> None:
    def save(mask: np.ndarray, path: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 2, (40, 56, 3), np.uint8)
        colours = 254 * mask[..., None] + noise
        Image.fromarray(colours if path.parent.parent.name == "rgb" else colours[..., 0]).save(path)

    for name in ("rgb", "grey"):
        with pytest.raises(DataError, match=r"holds \d+ values, many of them a little more or less than"):
            opened(write(tmp_path / name, save, count=2))


def test_a_mask_of_one_colour_is_drawn_by_what_is_opaque(tmp_path: Path) -> None:
    def save(mask: np.ndarray, path: Path) -> None:
        Image.fromarray(np.dstack([np.full((40, 56, 3), (255, 0, 0), np.uint8), mask * 255])).save(path)

    root = write(tmp_path, save, count=2)
    data = opened(root)
    assert_classes(data, root, count=2)
    assert not any("transparent" in note for note in data.info.notes)


def test_transparency_of_masks_is_counted(tmp_path: Path) -> None:
    def save(mask: np.ndarray, path: Path) -> None:
        opaque = np.full((40, 56), 255, np.uint8)
        opaque[:3] = 0
        Image.fromarray(np.dstack([mask, mask, mask, opaque])).save(path)

    root = write(tmp_path, save)
    data = opened(root)
    assert_classes(data, root)
    assert any(note.startswith("10 mask(s) are transparent in places") for note in data.info.notes)


@pytest.mark.parametrize("kind", ["of all images", "of each image"])
def test_numbers_of_single_objects_are_said(tmp_path: Path, kind: str) -> None:
    root = write(tmp_path, lambda mask, path: Image.fromarray(mask).save(path))
    for number in range(10):
        objects = np.zeros((40, 56), np.uint16)
        for place in range(5 + number):
            row, column = divmod(place, 8)
            objects[8 * row + 1 : 8 * row + 6, 6 * column + 1 : 6 * column + 5] = place + 1
        objects[objects > 0] += 100 * number if kind == "of all images" else 0
        Image.fromarray(objects).save(root / f"masks/{number}.png")
    assert any(
        note.startswith("The numbers in masks look like those of single") for note in opened(root).info.notes
    )


STEPS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "negative": (lambda mask: mask.astype(int) - 1, {}, r"contains the value -1; expected 0 to 65535, and 255 for"),
    "one channel per class": (
        lambda mask: np.stack([mask == value for value in range(4)]),
        {},
        r"is a mask of 4 channels; .* save its number \(np\.argmax\)",
    ),
    "from 1": (
        lambda mask: mask + 1,
        {"classes": ["sky", "road", "car"]},
        r"contains the value 3, .* data\.classes=\{1: sky, 2: road, 3: car\}",
    ),
    "another size": (lambda mask: mask[::2, ::2], {}, r"expected equal sizes: resize it by the nearest neighbour"),
}


@pytest.mark.parametrize("case", STEPS)
def test_what_is_refused_names_the_step_that_helps(tmp_path: Path, case: str) -> None:
    change, options, words = STEPS[case]
    with pytest.raises(DataError, match=words):
        opened(write(tmp_path, lambda mask, path: np.save(path, change(mask)), "npy"), **options)


def test_that_the_first_name_never_occurs_is_said(tmp_path: Path) -> None:
    root = write(tmp_path, lambda mask, path: Image.fromarray(mask + 1).save(path), count=2)
    notes = opened(root, classes=["background", "house", "road"]).info.notes
    assert any(
        note.startswith("No mask holds 0, which is 'background'; where numbers count from 1, data.classes={1: back")
        for note in notes
    )
