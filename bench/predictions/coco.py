"""Predictions as a COCO file: images and categories as in an annotation file, annotations with a score."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class CocoFile:
    """What is to be written; ids count from 1."""

    categories: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)

    def add_image(self, name: str, size: tuple[int, ...]) -> None:
        """Add the image file `name` of `size` (H, W); annotations that are added from now on are on it."""
        height, width = size
        self.images.append({"id": len(self.images) + 1, "file_name": name, "width": width, "height": height})

    def add(self, annotation: dict[str, Any]) -> None:
        """Add an annotation of the last image."""
        ids = {"id": len(self.annotations) + 1, "image_id": len(self.images), "iscrowd": 0}
        self.annotations.append({**ids, **annotation})

    def content(self) -> bytes:
        """Return the file's content."""
        return json.dumps(vars(self)).encode()
