"""Weights of public implementations, loaded into the presets that compute the same."""

from skipbench.archs.reference import hourglass, medical, pyramids, unet_fpn
from skipbench.archs.reference.convert import Converted, from_reference
from skipbench.archs.reference.layout import LAYOUTS, Layout, list_layouts
from skipbench.archs.reference.load import load_reference
from skipbench.archs.reference.read import Weights, read_state, read_weights

__all__ = [
    "LAYOUTS",
    "Converted",
    "Layout",
    "Weights",
    "from_reference",
    "hourglass",
    "list_layouts",
    "load_reference",
    "medical",
    "pyramids",
    "read_state",
    "read_weights",
    "unet_fpn",
]
