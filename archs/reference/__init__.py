"""Weights of public implementations, loaded into the presets that compute the same."""

from skipbench.archs.reference import hourglass, unet_fpn
from skipbench.archs.reference.layout import LAYOUTS, Layout, list_layouts
from skipbench.archs.reference.load import load_reference, read_state

__all__ = ["LAYOUTS", "Layout", "hourglass", "list_layouts", "load_reference", "read_state", "unet_fpn"]
