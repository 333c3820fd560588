"""The design space: one encoder-decoder abstraction that builds Hourglass, FPN, U-Net and rectified Gaussians."""

from archs.encoders import list_encoders
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
from archs.fusion import Fusion, register_fusion
from archs.ledger import Work, register_cost
from archs.model import EncoderDecoder
from archs.parts import parts_of
from archs.reference import list_layouts, load_reference
from archs.spec import ArchSpec, FeatureSpec

__all__ = [
    "ArchError",
    "ArchSpec",
    "CheckpointError",
    "DuplicateNameError",
    "EncoderDecoder",
    "ExportError",
    "Exported",
    "FeatureSpec",
    "Fusion",
    "PretrainedError",
    "ShapeError",
    "SpecError",
    "UnknownNameError",
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
    "register_cost",
    "register_fusion",
    "resolve_spec",
]
