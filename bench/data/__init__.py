"""Datasets: what is measured on. A new one is a module here with one registered DataSource."""

from bench.data import coco, deeplabcut, folder, known, scenes, voc  # what is imported here is registered
from bench.data.base import (
    DATASETS,
    CachedDataset,
    Data,
    DataInfo,
    DataSource,
    Sample,
    inside,
    open_data,
    register_dataset,
    resize_labels,
)
from bench.data.files import FileSource, Problem, Survey, recognise
from bench.data.folder import check_folder

__all__ = [
    "DATASETS",
    "CachedDataset",
    "Data",
    "DataInfo",
    "DataSource",
    "FileSource",
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
    "register_dataset",
    "resize_labels",
    "scenes",
    "voc",
]
