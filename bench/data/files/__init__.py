"""What datasets on disk share: their entries, the check before anything starts, and samples decoded on demand."""

from bench.data.files.entry import Boxes, Entry, Figures, Found
from bench.data.files.problem import Problem
from bench.data.files.source import FileSource, Survey, recognise

__all__ = ["Boxes", "Entry", "Figures", "FileSource", "Found", "Problem", "Survey", "recognise"]
