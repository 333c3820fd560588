"""Datasets: what is measured on. A new one is a module here with one registered DataSource."""

from skipbench.bench.data import (  # what is imported here is registered
    coco,
    deeplabcut,
    folder,
    known,
    scenes,
    sleap,
    voc,
    yolo,
)
from skipbench.bench.data.annotations import (
    ANNOTATIONS,
    Annotation,
    Boxes,
    Instances,
    Joints,
    Mask,
    PixelMap,
    Sample,
    register_annotation,
)
from skipbench.bench.data.base import (
    DATASETS,
    CachedDataset,
    Data,
    DataInfo,
    DataSource,
    open_data,
    register_dataset,
)
from skipbench.bench.data.files import Entry, FileSource, Found, Survey
from skipbench.bench.data.findings import Problem
from skipbench.bench.data.folder import check_folder
from skipbench.bench.data.geometry import inside, resize_labels
from skipbench.bench.data.recognising import recognise

__all__ = [
    "ANNOTATIONS",
    "DATASETS",
    "Annotation",
    "Boxes",
    "CachedDataset",
    "Data",
    "DataInfo",
    "DataSource",
    "Entry",
    "FileSource",
    "Found",
    "Instances",
    "Joints",
    "Mask",
    "PixelMap",
    "Problem",
    "Sample",
    "Survey",
    "check_folder",
    "coco",
    "deeplabcut",
    "folder",
    "inside",
    "known",
    "open_data",
    "recognise",
    "register_annotation",
    "register_dataset",
    "resize_labels",
    "scenes",
    "sleap",
    "voc",
    "yolo",
]
