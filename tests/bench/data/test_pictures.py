"""Images of every kind: depth, channels, orientation, pages, size; read, or refused by name, never cut or black."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from skipbench.bench.data import Data, Mask, open_data
from skipbench.bench.data.findings import FileError
from skipbench.bench.data.folder import Folder
from skipbench.bench.data.pictures.opener import Opener
from skipbench.bench.data.pictures.stored import turn, turned_back
from skipbench.bench.errors import DataError, SuiteError

Write = Callable[[Path], None]
RAMP = np.linspace(0, 1, 60)[None].repeat(40, 0)  # from black to white, 60 steps


def write(root: Path, image: Callable[[Path], None], name: str = "{}.tif", count: int = 10) -> Path:
    """Write `count` images by what writes one to a path, with masks of 0 and 1."""
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image(root / "images" / name.format(number))
        mask = np.zeros((40, 60), np.uint8)
        mask[: 10 + number] = 1
        Image.fromarray(mask).save(root / f"masks/{number}.png")
    return root


def opened(root: Path, **options: Any) -> Data:
    return open_data("folder", root, size=(40, 60), **options)


def of_array(values: np.ndarray, **options: Any) -> Write:
    """Return what writes the values as a TIFF or an .npy file."""
    return lambda path: (
        np.save(path, values) if path.suffix == ".npy" else tifffile.imwrite(path, values, **options)
    )


def deep_png(values: np.ndarray, filtered: bytes | None = None) -> Write:
    """Return what writes 16-bit values (H, W, C) as PNG, which Pillow cannot; by default without filters."""

    def save(path: Path) -> None:
        def chunk(name: bytes, content: bytes) -> bytes:
            return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
        kind = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2]]
        head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
        parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(filtered or rows)), chunk(b"IEND", b""))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))

    return save


# Depth

DEPTHS: dict[str, tuple[str, Write, str]] = {
    "8 bits in 16": ("{}.png", lambda path: Image.fromarray((RAMP * 255).astype(np.uint16)).save(path), "0 to 255"),
    "12 bits in 16": (
        "{}.tif",
        lambda path: Image.fromarray((RAMP * 4095).astype(np.uint16)).save(path),
        "0 to 4095",
    ),
    "16 bits": ("{}.png", lambda path: Image.fromarray((RAMP * 65535).astype(np.uint16)).save(path), "0 to 65535"),
    "14 bits": ("{}.tif", of_array((RAMP * 16000).astype(np.uint16)), "0 to 16000"),
    "floats to 1": ("{}.tif", lambda path: Image.fromarray(RAMP.astype(np.float32)).save(path), "0 to 1"),
    "floats to 255": ("{}.tif", of_array((RAMP * 255).astype(np.float64)), "0 to 255"),
    "small floats": ("{}.npy", of_array((RAMP / 1000).astype(np.float32)), "0 to 0.001"),
    "large floats": ("{}.tif", of_array((RAMP * 1e6).astype(np.float32)), "0 to 1e+06"),
    "signed": ("{}.tif", of_array((RAMP * 4000 - 1000).astype(np.int16)), "-1000 to 3000"),
    "32 bits": ("{}.npy", of_array((RAMP * 1e6).astype(np.uint32)), "0 to 1e+06"),
    "colours of 12 bits in 16, PNG": (
        "{}.png",
        deep_png(np.repeat((RAMP * 4095).astype(np.uint16)[..., None], 3, 2)),
        "0 to 4095",
    ),
    "colours of 12 bits in 16, TIFF": (
        "{}.tif",
        of_array(np.repeat((RAMP * 4095).astype(np.uint16)[..., None], 3, 2), photometric="rgb"),
        "0 to 4095",
    ),
    "colours of 16 bits with alpha": (
        "{}.png",
        deep_png(np.repeat((RAMP * 65535).astype(np.uint16)[..., None], 4, 2)),
        "0 to 65535",
    ),
}


@pytest.mark.parametrize("name", DEPTHS)
def test_every_depth_keeps_its_steps_of_grey_and_says_how(tmp_path: Path, name: str) -> None:
    file, save, reach = DEPTHS[name]
    data = opened(write(tmp_path, save, file))
    image = data.train[0]["image"]
    assert (image.shape, image.dtype) == ((3, 40, 60), torch.uint8)
    row = image[0, 20].tolist()
    assert len(set(row)) == 60
    assert row == sorted(row)
    assert row[0] == 0
    assert row[-1] > 60
    (note,) = (note for note in data.info.notes if "is scaled to 0 to 255" in note)
    assert f" of {reach};" in note
    assert note.startswith("10 image(s) hold ")


def test_colours_of_16_bits_are_those_that_another_decoder_reads(tmp_path: Path) -> None:
    values = np.random.default_rng(3).integers(0, 65536, (23, 37, 3), np.uint16)
    filters = np.arange(23) % 5
    padded = np.zeros((24, 38, 6), np.int64)
    padded[1:, 1:] = np.ascontiguousarray(values.astype(">u2")).view(np.uint8).reshape(23, 37, 6)
    rows = []
    for y, kind in enumerate(filters):
        left, above, both = padded[y + 1, :-1], padded[y, 1:], padded[y, :-1]
        guess = left + above - both
        near = np.argmin([abs(guess - left), abs(guess - above), abs(guess - both)], 0)
        paeth = np.choose(near, (left, above, both))
        predicted = (0, left, above, (left + above) // 2, paeth)[kind]
        rows.append(bytes([kind]) + ((padded[y + 1, 1:] - predicted) % 256).astype(np.uint8).tobytes())
    deep_png(values, b"".join(rows))(tmp_path / "x.png")
    assert np.array_equal(Opener().load(tmp_path / "x.png").values, values)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "x.png")), values >> 8)  # what Pillow keeps of it


def test_the_range_is_of_all_images(tmp_path: Path) -> None:
    number = iter(range(10))
    data = opened(write(tmp_path, lambda path: of_array(np.full((40, 60), 100 * next(number), np.uint16))(path)))
    shades = {
        int(split[k]["image"][0, 0, 0]) for split in (data.train, data.val, data.test) for k in range(len(split))
    }
    assert shades == {round(100 * number / 1023 * 255) for number in range(10)}


def test_the_range_may_be_said(tmp_path: Path) -> None:
    root = write(tmp_path, of_array((RAMP * 4095).astype(np.uint16)))
    assert opened(root, range="type").train[0]["image"].max() == round(4095 / 65535 * 255)
    assert opened(root, range=[0, 2047.5]).train[0]["image"][0, 0].eq(255).sum() == 30
    assert opened(root, range="image").train[0]["image"].max() == 255
    assert len({opened(root, range=each).info.fingerprint for each in ("auto", "type", [0, 100])}) == 3
    with pytest.raises(SuiteError, match=r"data\.range is 'bright', expected 'auto', 'type' or 'image'"):
        opened(root, range="bright")


def test_images_of_8_bits_are_as_they_are(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 60, (40, 60, 3), np.uint8)
    data = opened(write(tmp_path, lambda path: Image.fromarray(pixels).save(path), "{}.png"))
    assert np.array_equal(data.train[0]["image"].permute(1, 2, 0), pixels)
    assert not any("scaled" in note for note in data.info.notes)
    assert "scaling" not in data.info.facts


# Channels


def test_grey_stays_grey(tmp_path: Path) -> None:
    root = write(tmp_path, lambda path: Image.fromarray((RAMP * 255).astype(np.uint8)).save(path), "{}.png")
    assert opened(root).train[0]["image"].shape == (3, 40, 60)
    data = opened(root, channels=1)
    assert data.info.channels == 1
    assert data.info.facts["scaling"]["channels"] == 1
    assert torch.equal(data.train[0]["image"][0], torch.from_numpy((RAMP * 255).astype(np.uint8)))


BANDS = np.random.default_rng(1).integers(0, 255, (40, 60, 8), np.uint8)
MULTI: dict[str, tuple[str, Write]] = {
    "samples": ("{}.tif", of_array(BANDS, planarconfig="contig", photometric="minisblack")),
    "planes": ("{}.tif", of_array(BANDS.transpose(2, 0, 1), planarconfig="separate", photometric="minisblack")),
    "deflate": ("{}.tif", of_array(BANDS, planarconfig="contig", photometric="minisblack", compression="zlib")),
    "array, last": ("{}.npy", of_array(BANDS)),
    "array, first": ("{}.npy", of_array(BANDS.transpose(2, 0, 1))),
    "ImageJ": ("{}.tif", of_array(BANDS.transpose(2, 0, 1), imagej=True, metadata={"axes": "CYX"})),
}


@pytest.mark.parametrize("name", MULTI)
def test_many_bands_are_as_many_channels(tmp_path: Path, name: str) -> None:
    file, save = MULTI[name]
    root = write(tmp_path, save, file)
    for options in ({}, {"channels": 8}):
        data = opened(root, **options)
        assert np.array_equal(data.train[0]["image"].permute(1, 2, 0), BANDS)
        assert any(note.startswith("Images have 8 channels") for note in data.info.notes) == (not options)


@pytest.mark.parametrize("values", [BANDS.transpose(2, 0, 1), BANDS], ids=["pages", "an array written as pages"])
def test_pages_are_bands_where_that_is_said(tmp_path: Path, values: np.ndarray) -> None:
    root = write(tmp_path, of_array(values))
    with pytest.raises(
        DataError, match=r"holds (8|40) image\(s\), its mask 1; expected as many, or data.channels="
    ):
        opened(root)
    assert np.array_equal(opened(root, channels=8).train[0]["image"].permute(1, 2, 0), BANDS)


def test_an_image_of_other_channels_is_left_out_by_name(tmp_path: Path) -> None:
    root = write(tmp_path, lambda path: Image.fromarray(BANDS[..., :3]).save(path), "{}.png", 20)
    (root / "images/3.png").unlink()
    of_array(BANDS, planarconfig="contig", photometric="minisblack")(root / "images/3.tif")
    problems = [str(each) for each in Folder(root=root).survey().problems]
    assert problems == ["images/3.tif: has 8 channels, the dataset 3; set data.channels=8, or convert it"]


def test_transparency_is_not_read_and_counted(tmp_path: Path) -> None:
    pixels = np.dstack([BANDS[..., :3], np.full((40, 60), 255, np.uint8)])
    root = write(tmp_path, lambda path: Image.fromarray(pixels).save(path), "{}.png")
    assert not any("transparent" in note for note in opened(root).info.notes)
    pixels[0, 0, 3] = 0
    data = opened(write(tmp_path, lambda path: Image.fromarray(pixels).save(path), "{}.png"))
    assert np.array_equal(data.train[0]["image"].permute(1, 2, 0), BANDS[..., :3])
    assert any(
        note.startswith("10 image(s) are transparent in places, which is not read") for note in data.info.notes
    )
    assert np.array_equal(opened(root, channels=4).train[0]["image"].permute(1, 2, 0), pixels)
    write(tmp_path, lambda path: Image.fromarray(BANDS[..., :3]).save(path), "{}.png")
    assert (opened(root, channels=4).train[0]["image"][3] == 255).all()


@pytest.mark.parametrize("compression", ["lzw", "packbits", "jpeg"])
def test_compressed_tiffs_of_colours(tmp_path: Path, compression: str) -> None:
    kind = "jpeg" if compression == "jpeg" else "tiff_lzw" if compression == "lzw" else compression
    Image.fromarray(BANDS[..., :3]).save(tmp_path / "x.tif", compression=kind)
    assert Opener().load(tmp_path / "x.tif").values.shape == (40, 60, 3)


def test_bands_in_a_compression_that_needs_a_package(tmp_path: Path) -> None:
    codecs = pytest.importorskip("imagecodecs")
    assert codecs
    tifffile.imwrite(tmp_path / "x.tif", BANDS, planarconfig="contig", photometric="minisblack", compression="lzw")
    assert np.array_equal(Opener().load(tmp_path / "x.tif").values, BANDS)


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(tmp_path: Path, orientation: int) -> None:
    shown = np.random.default_rng(2).integers(0, 255, (40, 60, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = turned_back(shown, orientation)
    assert np.array_equal(turn(stored, orientation), shown)
    for end in ("png", "tif", "webp"):
        path = tmp_path / f"x.{end}"
        Image.fromarray(stored).save(path, exif=exif, **({"lossless": True} if end == "webp" else {}))
        assert Opener().header(path).shown(True) == (60, 40)
        assert np.array_equal(Opener().load(path).values, shown), end
        assert np.array_equal(Opener().load(path, upright=False).values, stored), end


# Pages and size


@pytest.mark.parametrize("end", ["tif", "gif", "webp"])
def test_several_pages_are_never_one(tmp_path: Path, end: str) -> None:
    pages = [Image.new("RGB", (60, 40), (60 * number, 0, 0)) for number in range(3)]
    pages[0].save(tmp_path / f"x.{end}", save_all=True, append_images=pages[1:])
    with pytest.raises(FileError, match=r"holds 3 images; expected one, or where they are bands, data\.channels=3"):
        Opener().load(tmp_path / f"x.{end}")
    assert Opener().header(tmp_path / f"x.{end}").frames == 3
    assert int(Opener().load(tmp_path / f"x.{end}", frame=2).colours[0, 0, 0]) in range(110, 130)


def test_images_of_several_sizes_in_one_file_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(BANDS[..., 0])
        file.write(BANDS[::2, ::2, 0])
    with pytest.raises(FileError, match=r"holds images of different sizes \(40x60, 20x30\); expected one image"):
        Opener().load(tmp_path / "x.tif")


def test_huge_images_are_read_where_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # of which twice as many are an error
    root = write(tmp_path, lambda path: Image.fromarray(BANDS[..., :3]).save(path), "{}.png")
    with pytest.raises(DataError, match=r"s/0\.png: is huge \(2400 pixels\); set data\.huge=true to read it"):
        opened(root)
    assert np.array_equal(opened(root, huge=True).train[0]["image"].permute(1, 2, 0), BANDS[..., :3])
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_what_is_no_image_is_one_sentence(tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    np.save(tmp_path / "cube.npy", np.zeros((2, 3, 4, 5)))
    np.save(tmp_path / "code.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "cut.tif").write_bytes(b"II*\0")
    (tmp_path / "empty.npy").touch()
    for name, words in {
        "words.npy": "holds <U1; expected numbers",
        "cube.npy": r"has the shape \(2, 3, 4, 5\); expected \(H, W\)",
        "code.npy": "cannot be read as an image",
        "cut.tif": "cannot be read as an image",
        "empty.npy": "cannot be read as an image",
    }.items():
        with pytest.raises(FileError, match=words) as caught:
            Opener().load(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_masks_are_turned_with_their_images(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    root = write(tmp_path, lambda path: None)
    for number in range(10):
        stored = np.full((60, 40, 3), number, np.uint8)
        Image.fromarray(stored).save(root / f"images/{number}.png", exif=exif)
    data = opened(root)
    assert data.info[Mask].names == ("class 0", "class 1")
    assert not any("photograph" in note for note in data.info.notes)  # the masks' sizes tell
    for number in range(10):
        Image.fromarray(np.eye(60, 40, dtype=np.uint8)).save(root / f"masks/{number}.png")
    data = opened(root)
    assert data.train[0]["mask"].shape == (40, 60)
    assert torch.equal(opened(root, upright=False).train[0]["mask"], data.train[0]["mask"])


# Values that are none


def dead_pixel(values: np.ndarray) -> np.ndarray:
    values[0, 0] = 65535
    return values


def fill_value(values: np.ndarray) -> np.ndarray:
    values[:3] = -9999
    return values


FAR: dict[str, tuple[Write, str]] = {
    "a dead pixel": (of_array(dead_pixel((RAMP * 4095).astype(np.uint16))), "0 to 65535; 0 to 4095"),
    "a fill value": (of_array(fill_value(RAMP.astype(np.float32))), "-9999 to 1; 0 to 1"),
    "a large fill value": (of_array(dead_pixel((RAMP * 0.9).astype(np.float32))), "0 to 65535; 0 to 1"),
}


@pytest.mark.parametrize("name", FAR)
def test_values_far_from_all_others_make_no_image_black(tmp_path: Path, name: str) -> None:
    save, words = FAR[name]
    data = opened(write(tmp_path, save))
    assert len(set(data.train[0]["image"][0, 20].tolist())) == 60
    assert any(words in note for note in data.info.notes)
    assert any(note.startswith("10 of these have values far from all others") for note in data.info.notes)


def test_sparse_bright_spots_are_no_dead_pixels(tmp_path: Path) -> None:
    values = (RAMP * 100).astype(np.uint16)
    values[5:8, 5:8] = np.linspace(2000, 60000, 9).reshape(3, 3)
    notes = opened(write(tmp_path, of_array(values))).info.notes
    assert any("0 to 65535 is scaled" in note for note in notes)
    assert not any("far from all others" in note for note in notes)


def test_infinity_is_white(tmp_path: Path) -> None:
    values = RAMP.astype(np.float32)
    values[0, 0] = np.inf
    image = opened(write(tmp_path, of_array(values))).train[0]["image"]
    assert int(image[0, 0, 0]) == 255
    assert len(set(image[0, 20].tolist())) == 60
