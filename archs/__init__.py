"""The design space: one encoder-decoder abstraction that builds Hourglass, FPN, U-Net and rectified Gaussians."""

from typing import Any

from skipbench.archs.blocks import BLOCKS, Block, BlockStyle, register_block
from skipbench.archs.bottom_up import BOTTOM_UPS, BottomUp, register_bottom_up
from skipbench.archs.encoders import ENCODERS, Encoder, list_encoders, register_encoder
from skipbench.archs.errors import (
    ArchError,
    BudgetError,
    CheckpointError,
    DuplicateNameError,
    ExportError,
    PretrainedError,
    ShapeError,
    SpecError,
    UnknownNameError,
    WriteError,
)
from skipbench.archs.export import Exported, export_model
from skipbench.archs.factory import (
    blank_model,
    build_model,
    create_model,
    list_fusions,
    list_models,
    resolve_spec,
)
from skipbench.archs.fusion import FUSIONS, Fusion, register_fusion
from skipbench.archs.ledger import Work, register_cost
from skipbench.archs.levels import FeatureSpec
from skipbench.archs.matching import Match, match_width
from skipbench.archs.model import EncoderDecoder, parts_of
from skipbench.archs.morphs import Change, Morph, Step, difference, shortest_path
from skipbench.archs.preparation import Preparation
from skipbench.archs.presets import PRESETS, register_preset
from skipbench.archs.reference import LAYOUTS, Converted, from_reference, list_layouts, load_reference
from skipbench.archs.resampling import UPSAMPLERS, Link, Upsample, register_upsampler
from skipbench.archs.restarts import RESTARTS, Restart, register_restart
from skipbench.archs.sameness import same_network
from skipbench.archs.spec import FACTORS, ArchSpec
from skipbench.registry import Registry

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
    "BudgetError",
    "Change",
    "CheckpointError",
    "Converted",
    "DuplicateNameError",
    "Encoder",
    "EncoderDecoder",
    "ExportError",
    "Exported",
    "FeatureSpec",
    "Fusion",
    "Link",
    "Match",
    "Morph",
    "Preparation",
    "PretrainedError",
    "Restart",
    "ShapeError",
    "SpecError",
    "Step",
    "UnknownNameError",
    "Upsample",
    "Work",
    "WriteError",
    "blank_model",
    "build_model",
    "create_model",
    "difference",
    "export_model",
    "from_reference",
    "list_encoders",
    "list_fusions",
    "list_layouts",
    "list_models",
    "load_reference",
    "match_width",
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
    "same_network",
    "shortest_path",
]
