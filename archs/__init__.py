"""The design space: one encoder-decoder abstraction that builds Hourglass, FPN, U-Net and rectified Gaussians."""

from typing import Any

from archs.blocks import BLOCKS, Block, BlockStyle, register_block
from archs.bottom_up import BOTTOM_UPS, BottomUp, register_bottom_up
from archs.encoders import ENCODERS, Encoder, list_encoders, register_encoder
from archs.errors import (
    ArchError,
    CheckpointError,
    DuplicateNameError,
    ExportError,
    PretrainedError,
    ShapeError,
    SpecError,
    UnknownNameError,
    WriteError,
)
from archs.export import Exported, export_model
from archs.factory import build_model, create_model, list_fusions, list_models, resolve_spec
from archs.fusion import FUSIONS, Fusion, register_fusion
from archs.ledger import Work, register_cost
from archs.levels import FeatureSpec
from archs.model import EncoderDecoder
from archs.parts import parts_of
from archs.presets import PRESETS, register_preset
from archs.reference import LAYOUTS, list_layouts, load_reference
from archs.registry import Registry
from archs.resampling import UPSAMPLERS, Link, Upsample, register_upsampler
from archs.restarts import RESTARTS, Restart, register_restart
from archs.spec import FACTORS, ArchSpec

_KINDS: tuple[Registry[Any], ...] = (PRESETS, FUSIONS, BLOCKS, UPSAMPLERS, ENCODERS, RESTARTS, BOTTOM_UPS, LAYOUTS)
REGISTRIES = {registry.plural: registry for registry in _KINDS}  # "fusions", "blocks" ...

__all__ = [
    "FACTORS",
    "REGISTRIES",
    "ArchError",
    "ArchSpec",
    "Block",
    "BlockStyle",
    "BottomUp",
    "CheckpointError",
    "DuplicateNameError",
    "Encoder",
    "EncoderDecoder",
    "ExportError",
    "Exported",
    "FeatureSpec",
    "Fusion",
    "Link",
    "PretrainedError",
    "Restart",
    "ShapeError",
    "SpecError",
    "UnknownNameError",
    "Upsample",
    "Work",
    "WriteError",
    "build_model",
    "create_model",
    "export_model",
    "list_encoders",
    "list_fusions",
    "list_layouts",
    "list_models",
    "load_reference",
    "parts_of",
    "register_block",
    "register_bottom_up",
    "register_cost",
    "register_encoder",
    "register_fusion",
    "register_preset",
    "register_restart",
    "register_upsampler",
    "resolve_spec",
]
