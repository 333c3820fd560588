"""`skipbench export`: a network as a program for other runtimes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skipbench.bench.cli.options import Encoder, Factors, Plugins, load, read_factors, read_size
from skipbench.bench.errors import SuiteError

if TYPE_CHECKING:
    from skipbench.archs import EncoderDecoder


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(export)


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A name from `skipbench list models`, or a folder of a saved network."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="What to write: FILE.onnx or FILE.pt2.")],
    format: Annotated[
        str | None, typer.Option(metavar="onnx|torch", help="As the suffix of FILE says if not given.")
    ] = None,
    img_size: Annotated[
        str, typer.Option(metavar="HxW", help="The size in pixels that the network is traced at.")
    ] = "256x256",
    fixed_size: Annotated[bool, typer.Option("--fixed-size", help="Only the number of images stays free.")] = False,
    classes: Annotated[int | None, typer.Option(min=1, help="Output channels; 1 if not given.")] = None,
    encoder: Encoder = None,
    factors: Factors = None,
    plugin: Plugins = None,
) -> None:
    """Write a network as ONNX or as a program of torch.export, for images of any number and size.

    The file is read again and compared with the network, at two sizes, before it gets its name.
    An existing file is not overwritten.
    Images must be larger than the encoder's coarsest stride (unet.paper: 172 px and more); some encoders of timm
    take multiples of a number only, or one size only: the inputs that are printed say so.

    \b
    Examples:
      skipbench export runs/mine/model --out model.onnx        a folder of model.save_pretrained(...)
      skipbench export unet --encoder resnet34 --classes 12 --out unet.onnx
      skipbench export fpn --set fusion=concat --img-size 480x640 --out fpn.pt2
      skipbench export unet --encoder swin_tiny_patch4_window7_224 --fixed-size --img-size 224x224 --out swin.onnx
    \b
    Use it:
      onnxruntime.InferenceSession("model.onnx").run(None, {"image": images})
      torch.export.load("fpn.pt2").module()(images)
    """
    from skipbench.archs import export_model

    load(plugin)
    network = _network(model, encoder, classes, factors or [])
    written = export_model(network, out, read_size(img_size), format, fixed_size)
    print(f"wrote {written.path} ({written.format}, {out.stat().st_size / 1e6:.1f} MB)")
    for kind, axes in (("input", written.inputs), ("output", written.outputs)):
        for name, axis_names in axes.items():
            print(f"  {kind} {name}: ({', '.join(map(str, axis_names))})")
    sizes = " and ".join("x".join(map(str, shape)) for shape in written.checked)
    print(f"  largest difference from the network, at {sizes}: {written.difference:.1e} of its output")


def _network(model: str, encoder: str | None, classes: int | None, factors: Sequence[str]) -> "EncoderDecoder":
    """Return the saved network of a folder, or a new one by name."""
    from skipbench.archs import EncoderDecoder, build_model, resolve_spec

    if "/" in model and not Path(model).is_dir():
        raise SuiteError(
            f"there is no folder {model}, and a model's name has no '/' (see `skipbench list models`)."
        )
    if not Path(model).is_dir():
        return build_model(resolve_spec(model, **{"classes": classes or 1, **read_factors(encoder, factors)}))
    if encoder or classes or factors:
        raise SuiteError(
            f"{model} is a saved network, which has its own settings: remove --encoder, --classes and --set."
        )
    return EncoderDecoder.from_pretrained(model)
