"""Networks as programs for other runtimes: torch.export (.pt2) and ONNX, for any batch and image size, checked."""

import copy
import importlib
import importlib.util
import io
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from skipbench.archs.drafts import drafted
from skipbench.archs.encoders import Encoder
from skipbench.archs.errors import ArchError, ExportError, ShapeError
from skipbench.archs.levels import Size
from skipbench.archs.model import EncoderDecoder
from skipbench.archs.preparation import Preparation, Prepared
from skipbench.archs.spec import ArchSpec
from skipbench.display import in_words, quieter
from skipbench.errors import unknown_name

FORMATS = {"onnx": ".onnx", "torch": ".pt2"}
NEEDED = ("onnx", "onnxruntime", "onnxscript")  # for the format "onnx" alone
TOLERANCE = 1e-4  # of the largest output, or of 1 where that is smaller
METADATA = "metadata.json"  # an extra file in a .pt2
LARGER = (5, 3)  # the check's second size, in steps beyond the traced one; odd

Axes = tuple[int | str, ...]


@dataclass(frozen=True)
class Exported:
    """A program that was written, and how it compares with its model.

    `inputs` and `outputs` map names to axes: a number where it is fixed, else "batch", "height", "width" or a
    formula of them. `checked` are the (N, C, H, W) on which both ran, `difference` is the largest distance
    between their outputs, as a share of the model's largest output or of 1 where that is smaller.
    """

    path: Path
    format: str
    inputs: Mapping[str, Axes]
    outputs: Mapping[str, Axes]
    checked: tuple[tuple[int, ...], ...]
    difference: float


def export_model(
    model: EncoderDecoder,
    path: str | Path,
    image_size: Size = (256, 256),
    format: str | None = None,
    fixed_size: bool = False,
    preparation: Preparation | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Exported:
    """Write the model as a program that takes images of any number and size, and return what was checked.

    `format` is "torch" (.pt2, read by `torch.export.load`) or "onnx", guessed from the path's suffix if not
    given. The network is traced at `image_size` (height, width), in evaluation mode and float32 on the CPU,
    and what was written is read back and compared with the model on one image of that size and on three of
    a larger, odd size. Images must be larger than the encoder's coarsest stride. With `fixed_size`, or where the
    encoder takes one size only, only the number of images is free. The model itself is not changed.
    With a `preparation` the program takes images as uint8 and prepares them itself, and is compared with the model
    on images that the `preparation` prepares. `metadata` stands in the file: ONNX's own, or a .pt2's extra file
    "metadata.json".
    Raises ExportError where a package is missing, the file exists already, the network cannot be traced for
    every size, or program and model differ by more than 1e-4, and WriteError where it cannot be written;
    then no file is left.
    """
    path = Path(path)
    format = format or guess_format(path)
    _require(path, format)
    network = copy.deepcopy(model).float().cpu().eval()
    if preparation is None:
        program = trace(network, image_size, fixed_size)
    else:
        program = trace(Prepared(network, preparation), image_size, fixed_size, torch.uint8)
    checked = _sizes_to_check(network, image_size, fixed_size)
    with drafted(path) as draft:
        write(program, draft, format, metadata)
        difference = compare(network, draft, format, checked, preparation)
        if not difference <= TOLERANCE:
            raise ExportError(
                f"the program differs from the model by {difference:.1e} of its output, more than {TOLERANCE:.0e}, "
                f"so {path} is not written: try the other format."
            )
    return Exported(path, format, *axes_of(program), checked, difference)


def guess_format(path: Path) -> str:
    """Return the format of a path's suffix. Raises ExportError for an unknown suffix."""
    for format, suffix in FORMATS.items():
        if path.suffix == suffix:
            return format
    raise ExportError(f"{path} ends neither in .onnx nor in .pt2: name the format, 'onnx' or 'torch'.")


def steps(model: nn.Module) -> int | None:
    """Return what a program's image sides must be multiples of, None where the encoder takes one size only.

    It is 1 except for the encoders of timm that need padding.
    """
    encoders = [module for module in model.modules() if isinstance(module, Encoder)]
    if any(encoder.input_size is not None for encoder in encoders):
        return None
    return max(int(getattr(encoder, "divisor", 1)) for encoder in encoders)


def trace(
    model: nn.Module, image_size: Size, fixed_size: bool = False, dtype: torch.dtype = torch.float32
) -> ExportedProgram:
    """Return the program of a model in evaluation mode for images of that type; batch, height and width are free.

    Raises ExportError where the network cannot be traced, and ShapeError for a size that it cannot take.
    """
    image = torch.zeros(2, _spec(model).in_channels, *image_size, dtype=dtype)
    free = _free_axes(model, image_size, fixed_size)
    try:
        # torch prints tracebacks of inequalities that it cannot simplify, and keeps them as they are
        with torch.no_grad(), quieter("torch.fx.experimental.symbolic_shapes", logging.ERROR):
            model(image)
            return torch.export.export(model, (image,), dynamic_shapes=(free,))
    except ArchError:
        raise
    except Exception as error:  # torch.export raises whatever the tracing of a layer does
        kind = "one image size" if fixed_size else "images of any size"
        mend = "" if fixed_size else "; a single size may work: fixed_size=True (--fixed-size)"
        raise ExportError(f"this network cannot be traced for {kind} ({in_words(error)}){mend}.") from error


def _free_axes(model: nn.Module, image_size: Size, fixed_size: bool) -> dict[int, Any]:
    step = None if fixed_size else steps(model)
    if step is None:
        return {0: Dim.DYNAMIC}
    if step == 1:
        return {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    if any(side % step for side in image_size):
        raise ShapeError(
            f"with encoder '{_spec(model).encoder}' a program takes sides that are multiples of {step} px, which "
            f"{image_size} are not: choose other sides, or fixed_size=True (--fixed-size)."
        )
    return {0: Dim.DYNAMIC, 2: step * Dim("rows"), 3: step * Dim("columns")}


def write(program: ExportedProgram, path: Path, format: str, metadata: Mapping[str, str] | None = None) -> None:
    """Write the program as a file of that format. Raises ExportError where ONNX cannot express it."""
    if format == "torch":
        whole = io.BytesIO()  # torch's own writing to a file ends the process where the disk is full
        torch.export.save(program, whole, extra_files={METADATA: json.dumps(dict(metadata or {}))})
        path.write_bytes(whole.getbuffer())
        return
    names = list(axes_of(program)[1])
    try:
        translated = torch.onnx.export(program, input_names=["image"], output_names=names, verbose=False)
    except Exception as error:  # torch.onnx's own errors are private
        raise ExportError(f"ONNX cannot express this network ({in_words(error)}): try format 'torch'.") from error
    assert translated is not None  # as it is where no path is given
    translated.rename_axes(_symbols(program))
    translated.model.metadata_props.update(metadata or {})
    translated.save(path, external_data=False)


def read(path: Path, format: str) -> Callable[[Tensor], list[Tensor]]:
    """Return a function from an image (N, C, H, W) to the outputs of a written program."""
    if format == "torch":
        with path.open("rb") as file:
            module = torch.export.load(file).module()
        return lambda image: _as_list(module(image))
    session = importlib.import_module("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda image: [torch.from_numpy(x) for x in session.run(None, {"image": image.numpy()})]


def compare(
    model: EncoderDecoder,
    path: Path,
    format: str,
    shapes: Sequence[tuple[int, ...]],
    preparation: Preparation | None = None,
) -> float:
    """Return the largest difference between a written program and its model on random images of (N, C, H, W).

    With a `preparation`, the program is given uint8, and the model what that makes of it.

    It is a share of the model's largest output, or of 1 where that is smaller; infinite where shapes differ.
    Raises ExportError where the program does not run.
    """
    generator = torch.Generator().manual_seed(0)
    if preparation is None:
        images = given = [torch.randn(shape, generator=generator) for shape in shapes]
    else:
        images = [torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8) for shape in shapes]
        given = [preparation.prepare(image) for image in images]
    with torch.no_grad():
        wanted = [_as_list(model(image)) for image in given]
        try:
            run = read(path, format)
            got = [run(image) for image in images]
        except Exception as error:  # every runtime has its own errors
            raise ExportError(
                f"the program does not run on images of {shapes} ({in_words(error)}): trace it at a larger image "
                "size, or try the other format."
            ) from error
    return max(_distance(a, b) for a, b in zip(got, wanted, strict=True))


def _distance(got: list[Tensor], wanted: list[Tensor]) -> float:
    if [x.shape for x in got] != [x.shape for x in wanted]:
        return float("inf")
    scale = max(1.0, *(float(x.abs().max()) for x in wanted))
    return max(float((a - b).abs().max()) for a, b in zip(got, wanted, strict=True)) / scale


def axes_of(program: ExportedProgram) -> tuple[dict[str, Axes], dict[str, Axes]]:
    """Return the names and axes of a program's inputs and outputs; free axes by name, or as a formula of names."""
    names = _symbols(program)
    values = {node.name: node.meta["val"] for node in program.graph.nodes if "val" in node.meta}
    outputs = [_named(values[name], names) for name in program.graph_signature.user_outputs]
    single = len(outputs) == 1
    return (
        {"image": _named(_image_of(program), names)},
        {"logits" if single else f"logits_{i}": axes for i, axes in enumerate(outputs)},
    )


def _sizes_to_check(model: EncoderDecoder, image_size: Size, fixed_size: bool) -> tuple[tuple[int, ...], ...]:
    step = 0 if fixed_size else steps(model) or 0
    larger = (side + step * more for side, more in zip(image_size, LARGER, strict=True))
    channels = model.spec.in_channels
    return (1, channels, *image_size), (3, channels, *larger)


def _require(path: Path, format: str) -> None:
    """Raise ExportError for what is known to be wrong before tracing, which takes time."""
    if format not in FORMATS:
        raise ExportError(unknown_name("format", format, FORMATS))
    missing = [name for name in NEEDED if format == "onnx" and importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(f"the onnx format needs {', '.join(missing)}: pip install skipbench[export].")
    if path.exists():
        raise ExportError(f"{path} already exists and is not overwritten: choose another name.")
    if not path.parent.is_dir():
        raise ExportError(f"there is no folder {path.parent} to write {path.name} into.")


def _image_of(program: ExportedProgram) -> Tensor:
    (name,) = program.graph_signature.user_inputs
    return cast(Tensor, next(node.meta["val"] for node in program.graph.nodes if node.name == name))


def _symbols(program: ExportedProgram) -> dict[str | Any, str]:
    """Return a name for each of torch's symbols of the image's free axes: "s77" -> "height"."""
    names: dict[str | Any, str] = {}
    for extent, name in zip(_image_of(program).shape, ("batch", "", "height", "width"), strict=True):
        if not isinstance(extent, int):
            (symbol,) = extent.node.expr.free_symbols
            names[str(symbol)] = name if str(symbol) == str(extent) else name[0]  # 32*h where it is a multiple
    return names


def _named(x: Tensor, names: Mapping[str, str]) -> Axes:
    return tuple(
        extent if isinstance(extent, int) else re.sub(r"\bs\d+\b", lambda symbol: names[symbol[0]], str(extent))
        for extent in x.shape
    )


def _spec(model: nn.Module) -> ArchSpec:
    return next(module.spec for module in model.modules() if isinstance(module, EncoderDecoder))


def _as_list(outputs: Tensor | list[Tensor]) -> list[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)
