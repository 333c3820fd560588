"""Opening an image of any kind: one place for every format's images and masks."""

from dataclasses import dataclass
from pathlib import Path

from skipbench.bench.data.findings import FileError
from skipbench.bench.data.pictures.arrays import array_header, stored_as_array
from skipbench.bench.data.pictures.pillow import header_of, is_shallow, opened, opening, stored_by_pillow
from skipbench.bench.data.pictures.stored import Header, Stored
from skipbench.bench.data.pictures.tiff import CodecError, stored_by_tifffile, tiff_header

_TIFF = {".tif", ".tiff"}


@dataclass(frozen=True)
class Opener:
    """Opens images by what the user says of them."""

    channels: int | None = None  # of an image; None: what its file says
    huge: bool = False  # also above Pillow's limit of pixels

    def header(self, path: Path) -> Header:
        """Return what can be known of an image without decoding it. Raises FileError."""
        with opening(path):
            if path.suffix.lower() == ".npy":
                return array_header(path, self.channels)
            if self._needs_tifffile(path):
                return tiff_header(path, self.channels)
            with opened(path, self.huge) as image:
                return header_of(image, path)

    def load(self, path: Path, upright: bool = True, frame: int | None = None) -> Stored:
        """Return an image, if `upright` turned as its EXIF orientation says.

        Raises FileError, also for a file of several images where no `frame` of them is asked for.
        """
        with opening(path):
            header = self.header(path)
            if frame is None and header.frames > 1:
                raise FileError(
                    path,
                    f"holds {header.frames} images; expected one, or where they are bands, "
                    f"data.channels={header.frames}",
                )
            stored = self._stored(path, frame or 0)
            return stored.turned(header.orientation) if upright and header.orientation > 1 else stored

    def _stored(self, path: Path, frame: int) -> Stored:
        if path.suffix.lower() == ".npy":
            return stored_as_array(path, self.channels)
        if self._needs_tifffile(path):
            try:
                return stored_by_tifffile(path, frame, self.channels)
            except CodecError:
                if not self._pillow_can(path):
                    raise
        with opened(path, self.huge) as image:
            return stored_by_pillow(image, path, frame)

    def _pillow_can(self, path: Path) -> bool:
        try:
            with opened(path, self.huge) as image:
                return not is_shallow(image)
        except FileError:
            return False

    def _needs_tifffile(self, path: Path) -> bool:
        if path.suffix.lower() not in _TIFF:
            return False
        try:
            with opened(path, self.huge) as image:
                return is_shallow(image) or header_of(image, path).frames > 1
        except FileError as error:
            return "unknown or damaged" in error.reason
