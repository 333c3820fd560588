"""Laterals: what a skip does to the encoder's map before fusion; each publishes `out_channels`."""

from collections.abc import Callable

from torch import nn

from archs.basic import Basic
from archs.blocks import BlockStyle, Conv1x1, NoBlock, Residual
from archs.registry import Registry

LATERALS: Registry[Callable[[int, int, BlockStyle], nn.Module]] = Registry("lateral")

LATERALS.register("identity")(NoBlock)  # U-Net
LATERALS.register("conv1x1")(Conv1x1)  # FPN
LATERALS.register("residual")(Residual)  # Hourglass
LATERALS.register("basic")(Basic)  # Hourglass-104
