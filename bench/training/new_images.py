"""What a trained network predicts for new images, written as files that other programs read."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from skipbench.bench.data.coco.content import boxes_of
from skipbench.bench.data.findings import FileError, Problem
from skipbench.bench.data.pixels import images_by_name
from skipbench.bench.errors import DataError, SuiteError
from skipbench.bench.files import OwnFolder
from skipbench.bench.predictions import Prediction
from skipbench.bench.predictions.ink import as_png
from skipbench.bench.tasks.view import View, tiles
from skipbench.bench.training.evaluation import TrainingError
from skipbench.bench.training.machine import Device, resolve_device
from skipbench.bench.training.trained import Trained
from skipbench.bench.training.windowed import by_view

Found = Iterator[tuple[str, Prediction]]  # the name of an image's file, and what is predicted for it


@dataclass(frozen=True)
class Options:
    """How new images are looked at, and what is written of them."""

    overlap: float | None = None  # tiles of the training size that share so much of a side; None: images as a whole
    boxes: Path | None = None  # a COCO file of people
    upright: bool | None = None  # photographs are turned as their EXIF orientation says; None: as in training
    overlays: bool = True
    batch_size: int = 8  # windows
    device: Device = "auto"


@dataclass
class Predicted:
    """How many images were predicted, and why others were not."""

    count: int = 0
    problems: list[Problem] = field(default_factory=list)


def predict_images(
    trained: Trained,
    images: Path,
    out: Path,
    options: Options | None = None,
    watch: Callable[[float], None] = lambda share: None,
) -> Predicted:
    """Write into the folder `out` what a network predicts for an image, or for those that a folder holds.

    Predictions are in px of the files, in float32. An image that cannot be read is a problem, and the others go on.
    `watch` is told the share of images that are done. Files are whole or not there; those that all images share are
    written last. Raises DataError where there is no image, StoreError where `out` holds what was not written so,
    SuiteError for options that do not suit the task, and TaskError where it can't be predicted.
    """
    options = options or Options()
    reader = _Reader(trained, images, options)
    folder = OwnFolder(out)
    found = _shown(reader.predictions(watch), folder) if options.overlays else reader.predictions(watch)
    first = next(found, None)
    if first is not None:
        first[1].save(chain([first], found), folder.write)
    return reader.predicted


def _shown(found: Found, folder: OwnFolder) -> Found:
    for name, prediction in found:
        overlay = prediction.overlay()
        if overlay is not None:
            folder.write(f"overlays/{Path(name).stem}.png", as_png(Image.fromarray(overlay)))
        yield name, prediction


class _Reader:
    """Reads images, and predicts them in batches of windows, whichever images these are of."""

    def __init__(self, trained: Trained, images: Path, options: Options) -> None:
        self._trained, self._options, self._task = trained, options, trained.create_task()
        if options.boxes is not None and not self._task.seeks_people:
            raise SuiteError(f"{trained.task} looks for no people: remove the boxes.")
        self._device = resolve_device(options.device)
        fast = trained.record.settings["channels_last"]
        self._memory_format = torch.channels_last if fast else torch.contiguous_format
        self._network = trained.network.to(self._device).to(memory_format=self._memory_format)
        self.predicted = Predicted()
        self._files = self._find(images)
        self._root = images if images.is_dir() else images.parent
        self._people = None if options.boxes is None else read_people(options.boxes)

    def _find(self, images: Path) -> list[Path]:
        if not images.exists():
            raise DataError(f"there is no image or folder {images}.")
        if images.is_file():
            return [images]
        by_name = images_by_name(images)
        if not by_name:
            raise DataError(f"the folder {images} holds no images.")
        for first, *others in by_name.values():
            reason = f"has the same name as {first.name}, whose files it would take"
            self.predicted.problems += [Problem(other.name, reason) for other in others]
        return [files[0] for files in by_name.values()]

    def predictions(self, watch: Callable[[float], None]) -> Found:
        """Yield what is predicted for each image that can be read; few are in memory at a time."""
        read = by_view(self._views(), self._trained.size, self._options.batch_size, self._predict)
        for view, (name, share), outputs in read:
            yield name, self._task.assemble(view, outputs)
            self.predicted.count += 1
            watch(share)

    def _views(self) -> Iterator[tuple[View, tuple[str, float]]]:
        """Yield each image that can be read with its name, and the share of all that is done with it."""
        for number, path in enumerate(self._files, 1):
            try:
                view = self._view(path)
            except FileError as error:
                self.predicted.problems.append(error.problem(self._root))
                continue
            yield view, (path.name, number / len(self._files))

    def _predict(self, windows: Tensor) -> list[Tensor]:
        """Return what the network gives for windows (N, C, H, W) uint8, each (N, C, h, w) float32 on the CPU."""
        images = self._trained.prepare(windows.to(self._device))
        with torch.inference_mode():
            given = self._network(images.contiguous(memory_format=self._memory_format))
        maps = [each.float().cpu() for each in (given if isinstance(given, list) else [given])]
        if not all(each.isfinite().all() for each in maps):
            raise TrainingError("what the network predicts is not finite.")
        return maps

    def _view(self, path: Path) -> View:
        trained, upright = self._trained, self._options.upright
        stored = trained.opener.load(path, trained.upright if upright is None else upright)
        pixels = trained.scaling.pixels(stored, path)
        size, overlap = (pixels.shape[1], pixels.shape[2]), self._options.overlap
        windows = self._trained.windows(size) if overlap is None else tiles(size, self._trained.size, overlap)
        people = None if self._people is None else self._people_on(path, size)
        return View(pixels, windows, people)

    def _people_on(self, path: Path, size: tuple[int, int]) -> Tensor:
        assert self._people is not None
        if path.name not in self._people:
            raise FileError(path, f"is not in {self._options.boxes}")
        (width, height), boxes = self._people[path.name]
        if (height, width) != size:
            raise FileError(path, f"has {size[1]}x{size[0]} pixels, its boxes are for {width}x{height}")
        corners = torch.minimum(boxes.clamp(min=0), torch.tensor([width, height] * 2))
        if not (corners[:, 2:] > corners[:, :2]).all():
            raise FileError(path, "has a box without extent, or outside it")
        return corners


def read_people(path: Path) -> Mapping[str, tuple[tuple[int, int], Tensor]]:
    """Return the size (W, H) of each image of a COCO file, by its name, and its boxes x1, y1, x2, y2 (P, 4) in px.

    Crowds are left out. Raises DataError, which names the first thing that is wrong.
    """
    people = {}
    for name, (size, boxes) in boxes_of(path).items():
        if size is None:
            raise DataError(f"{path}: states no size of {name}.")
        people[name] = size, torch.from_numpy(boxes.astype(np.float32))
    return people
