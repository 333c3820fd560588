"""Label maps: a class per pixel."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from PIL import Image

from skipbench.bench.predictions.base import Array, Layout, Prediction, Strip, register_prediction
from skipbench.bench.predictions.ink import BACKGROUND, as_png, class_colors

if TYPE_CHECKING:
    from matplotlib.artist import Artist


UNKNOWN = "not annotated"


@register_prediction("label_maps")
@dataclass(frozen=True)
class LabelMaps(Prediction):
    """A class per pixel, an index into `classes`; a pixel that nobody annotated has the label `unknown`."""

    IGNORE_INDEX: ClassVar[int] = 255  # that label where classes are counted in bytes
    columns = 6
    alt = "Test images, their true label maps and the label maps that each arm predicts"
    caption = "Below each label map: the share of annotated pixels that are right."

    truth: Annotated[Array, Layout("u", "n H W")]
    prediction: Annotated[Array, Layout("u", "n H W")]
    classes: Annotated[Array, Layout("U", "C")]

    @staticmethod
    def type_for(classes: int) -> type[np.unsignedinteger[Any]]:
        """Return the smallest type that holds so many classes, and a label for what is not annotated."""
        return np.uint8 if classes <= LabelMaps.IGNORE_INDEX else np.uint16

    @property
    def unknown(self) -> int:
        """The label of pixels that nobody annotated: the largest of the smallest type for the classes."""
        return int(np.iinfo(self.type_for(len(self.classes))).max)

    def right(self, index: int) -> tuple[int, int]:
        """Return how many annotated pixels have the right class, and how many there are."""
        annotated = self.truth[index] != self.unknown
        same = self.prediction[index][annotated] == self.truth[index][annotated]
        return int(same.sum()), same.size

    def captions(self) -> list[str]:
        """Return the share of right pixels of each image."""
        counts = [self.right(index) for index in range(len(self.images))]
        return [f"{100 * right / total:.0f} %" if total else "–" for right, total in counts]

    def truth_strips(self) -> list[Strip]:
        """Return the images, and their true label maps."""
        return [Strip("image", self.images / 255), Strip("truth", self.colored(self.truth))]

    def arm_strip(self, arm: str) -> Strip:
        """Return the predicted label maps."""
        return Strip(arm, self.colored(self.prediction), self.captions())

    def colored(self, labels: Array) -> Array:
        """Return label maps (n, H, W) as RGB (n, H, W, 3), 0 to 1; pixels without annotation are black."""
        palette = np.concatenate([class_colors(len(self.classes)), np.zeros((1, 3))])
        rgb: Array = palette[labels.clip(max=len(self.classes))]
        return rgb

    @classmethod
    def save(cls, found: Iterable[tuple[str, "LabelMaps"]], write: Callable[[str, bytes], None]) -> None:
        """Write masks/<name>.png, whose numbers are classes (the palette their colours), and classes.txt.

        Line k of classes.txt, from 0, names class k. More classes than a palette has places for have no colours.
        """
        for number, (name, maps) in enumerate(found):
            if not number:
                write("classes.txt", "".join(f"{each}\n" for each in maps.classes).encode())
            mask = Image.fromarray(maps.prediction[0])
            if mask.mode == "L":
                mask.putpalette((255 * class_colors(len(maps.classes))).round().astype(np.uint8).tobytes())
            write(f"masks/{PurePath(name).stem}.png", as_png(mask))

    def overlay(self) -> Array:
        """Return the image mixed with the colours of its classes; the first one's, a background's, is left out."""
        colors = np.round(255 * class_colors(len(self.classes))).astype(np.uint8)[self.prediction[0]]
        shown = (self.prediction[0] > 0)[..., None]
        mixed: Array = np.where(shown, self.images[0] // 2 + colors // 2, self.images[0])
        return mixed

    def in_sight(self, shown: Sequence[int]) -> set[str]:
        """Return the classes that the images at `shown` have, in truth or as predicted."""
        labels = np.unique([self.truth[shown], self.prediction[shown]])
        names = {str(self.classes[label]) for label in labels if label < len(self.classes)}
        return names | ({UNKNOWN} if self.unknown in labels else set())

    def legend(self) -> "list[Artist]":
        """Return a patch per class, and one for what is not annotated where there is such."""
        from matplotlib.patches import Patch

        colors = zip(self.classes, class_colors(len(self.classes)), strict=True)
        handles: list[Artist] = [Patch(color=color, label=name) for name, color in colors]
        if (self.truth == self.unknown).any():
            handles.append(Patch(facecolor="black", edgecolor=f"#{BACKGROUND}", label=UNKNOWN))
        return handles
