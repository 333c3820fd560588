"""Kinds of annotation. A new one is a module here, or a plug-in's file, with one registered Annotation."""

from skipbench.bench.data.annotations.base import (
    ANNOTATIONS,
    KEYS,
    Annotation,
    Array,
    Batch,
    Colour,
    Key,
    Picture,
    PixelMap,
    Sample,
    Seen,
    enlarged,
    register_annotation,
)
from skipbench.bench.data.annotations.joints import Joints, Keypoints  # what is imported here is registered
from skipbench.bench.data.annotations.mask import IGNORE_INDEX, Mask
from skipbench.bench.data.annotations.objects import Boxes, Instances, Objects, RunLengths

__all__ = [
    "ANNOTATIONS",
    "IGNORE_INDEX",
    "KEYS",
    "Annotation",
    "Array",
    "Batch",
    "Boxes",
    "Colour",
    "Instances",
    "Joints",
    "Key",
    "Keypoints",
    "Mask",
    "Objects",
    "Picture",
    "PixelMap",
    "RunLengths",
    "Sample",
    "Seen",
    "enlarged",
    "register_annotation",
]
