"""Datasets: what is measured on. A new one is a module here with one registered DataSource."""

from bench.data import folder, scenes  # what is imported here is registered
from bench.data.base import (
    DATASETS,
    CachedDataset,
    Data,
    DataInfo,
    DataSource,
    Sample,
    open_data,
    register_dataset,
)
from bench.data.folder import Problem, check_folder

__all__ = [
    "DATASETS",
    "CachedDataset",
    "Data",
    "DataInfo",
    "DataSource",
    "Problem",
    "Sample",
    "check_folder",
    "folder",
    "open_data",
    "register_dataset",
    "scenes",
]
