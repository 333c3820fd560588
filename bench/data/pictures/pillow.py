"""Images by Pillow, as their files hold them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from skipbench.bench.data.findings import FileError
from skipbench.bench.data.pictures.deep_png import decode, is_deep
from skipbench.bench.data.pictures.stored import SIDEWAYS, Header, Stored, turned_back

_LOSSY = {"JPEG", "AVIF", "HEIF"}
_ONE_PICTURE = {"MPO", "ICO", "ICNS"}  # one picture in several sizes, or with one for the screen
_ALPHA = {"LA", "PA", "RGBA", "RGBa", "La"}
_AS_STORED = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "F", "I", "I;16", "I;16B", "I;16L", "I;16N"}
_PNG_BITS = 24  # where a PNG says how many bits a number has
_lock = threading.Lock()  # Pillow's limit is of the process


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises into a FileError."""
    try:
        yield
    except FileError:
        raise
    except Image.DecompressionBombError as error:
        size = str(error).split("(")[-1].split(")")[0]
        raise FileError(path, f"is huge ({size}); set data.huge=true to read it") from None
    except Exception as error:  # from OSError to SyntaxError
        unknown = "cannot identify" in str(error)
        reason = "its format is unknown or damaged" if unknown else str(error).rstrip(".")
        raise FileError(path, f"cannot be read as an image ({reason})") from None


def opened(path: Path, huge: bool) -> Image.Image:
    """Return the image, not decoded; with `huge` one of any size. Raises FileError."""
    with opening(path):
        if not huge:
            return Image.open(path)
        with _lock:
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                return Image.open(path)
            finally:
                Image.MAX_IMAGE_PIXELS = limit


def header_of(image: Image.Image, path: Path) -> Header:
    """Return what is known of an image that is opened."""
    late = image.format == "PNG" and "exif" not in image.info  # to look for it would decode the whole image
    given = 1 if late else image.getexif().get(ExifTags.Base.Orientation, 1)
    orientation = given if given in range(1, 9) else 1
    turned = image.format == "TIFF" and orientation >= SIDEWAYS  # Pillow turns these by itself
    frames = 1 if image.format in _ONE_PICTURE else getattr(image, "n_frames", 1)
    return Header(image.size[::-1] if turned else image.size, orientation, frames, _is_lossy(image, path))


def _is_lossy(image: Image.Image, path: Path) -> bool:
    if image.format == "WEBP":
        return not _begins_with_lossless(path)
    return image.format in _LOSSY | {"MPO"} or "jpeg" in str(image.info.get("compression", ""))


def _begins_with_lossless(path: Path) -> bool:
    with path.open("rb") as file:
        return b"VP8L" in file.read(4096)


def stored_by_pillow(image: Image.Image, path: Path, frame: int) -> Stored:
    """Return the values of a frame as they are stored."""
    if image.format == "PNG" and is_deep(path):
        values = decode(path)
        return Stored(values, alpha=values.shape[2] in (2, 4))
    orientation = header_of(image, path).orientation
    if frame:
        image.seek(frame)
    image.load()  # a header alone does not show that a file is cut short
    picture = image if image.mode in _AS_STORED else image.convert("RGBA" if image.mode in _ALPHA else "RGB")
    values = np.asarray(picture)
    if image.format == "TIFF":
        values = turned_back(values, orientation)
    values = values if values.ndim == 3 else values[..., None]
    if picture.mode == "PA":
        values = np.dstack([np.asarray(picture.getchannel(0)), np.asarray(picture.getchannel("A"))])
    colours = picture.getpalette("RGB") if picture.mode in ("P", "PA") else None
    palette = None if colours is None else np.array(colours, np.uint8).reshape(-1, 3)
    if image.format == "GIF" and palette is not None:  # whose numbers each file has in an order of its own
        return Stored(palette[values[..., 0].clip(0, len(palette) - 1)])
    return Stored(values, picture.mode in _ALPHA, palette, _step(image, path))


def _step(image: Image.Image, path: Path) -> int:
    """Return by how much Pillow multiplies the numbers of an image of 2 or 4 bits."""
    if image.mode != "L" or image.format not in ("PNG", "TIFF"):
        return 1
    bits = _bits(image)[0]
    if image.format == "PNG":
        with path.open("rb") as file:
            bits = file.read(_PNG_BITS + 1)[_PNG_BITS]
    return 255 // (2**bits - 1) if bits in (2, 4) else 1


def _bits(image: Image.Image) -> tuple[int, ...]:
    bits = getattr(image, "tag_v2", {}).get(258, (8,))
    return bits if isinstance(bits, tuple) else (bits,)


def is_shallow(image: Image.Image) -> bool:
    """Return whether Pillow has fewer bits of a TIFF than the file."""
    return max(_bits(image)) > 8 and image.mode not in ("F", "I", "I;16", "I;16B", "I;16L", "I;16N")
