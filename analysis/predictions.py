"""What each arm predicted on the test images that a run keeps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.frames import Frames

IGNORED = 255  # the label of a pixel that nobody annotated


@dataclass(frozen=True)
class LabelMaps:
    """One run's predicted classes. `images`: (n, H, W, 3); `truth`, `prediction`: (n, H, W); all uint8."""

    arm: str
    seed: int | None
    images: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    classes: tuple[str, ...]

    def agreement(self, index: int) -> float:
        """Return the share of annotated pixels of image `index` whose class is right; NaN where none is."""
        annotated = self.truth[index] != IGNORED
        right = self.prediction[index][annotated] == self.truth[index][annotated]
        return float(right.mean()) if right.size else float("nan")


def label_maps(study: Frames) -> list[LabelMaps]:
    """Return the label maps of each arm's first finished run that kept them, in the plan's order."""
    found: dict[str, LabelMaps] = {}
    for record in study.finished("train"):
        path = record.artifacts.get("predictions")
        if study.directory is None or path is None or record.arm in found:
            continue
        file = study.directory / path
        if file.is_file():
            with np.load(file, allow_pickle=False) as arrays:
                found[record.arm] = LabelMaps(
                    arm=record.arm,
                    seed=record.seed,
                    images=arrays["images"],
                    truth=arrays["truth"],
                    prediction=arrays["prediction"],
                    classes=tuple(map(str, arrays["classes"])),
                )
    return list(found.values())
