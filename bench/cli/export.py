"""`skipbench export`: a network as a program for other runtimes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skipbench.bench.cli.options import Encoder, Factors, Plugins, load, read_factors, read_size
from skipbench.bench.errors import SuiteError
from skipbench.bench.records.reader import DATABASE

if TYPE_CHECKING:
    from skipbench.archs import EncoderDecoder
    from skipbench.bench.training.trained import Trained


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(export)


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A name from `skipbench list models`, or a folder: a run's or a saved network's."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="What to write: FILE.onnx or FILE.pt2.")],
    format: Annotated[
        str | None, typer.Option(metavar="onnx|torch", help="As the suffix of FILE says if not given.")
    ] = None,
    img_size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="The size in pixels to trace at; the training's, or else 256x256."),
    ] = None,
    fixed_size: Annotated[bool, typer.Option("--fixed-size", help="Only the number of images stays free.")] = False,
    classes: Annotated[int | None, typer.Option(min=1, help="Output channels; 1 if not given.")] = None,
    encoder: Encoder = None,
    factors: Factors = None,
    arm: Annotated[str | None, typer.Option(metavar="NAME", help="Of a run: whose network.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of a run; the best on validation if not given.")] = None,
    task: Annotated[str | None, typer.Option(metavar="NAME", help="Of a run that has several.")] = None,
    dataset: Annotated[str | None, typer.Option(metavar="NAME", help="Of a run that has several.")] = None,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="Of a run: take uint8 images; scaling, mean and std are inside.")
    ] = False,
    plugin: Plugins = None,
) -> None:
    """Write a network as ONNX or as a program of torch.export, for images of any number and size.

    Of a run, it is the state of a training that scored best on validation.
    The file is read again and compared with the network, at two sizes, before it gets its name.
    An existing file is not overwritten.
    Images must be larger than the encoder's coarsest stride (unet.paper: 172 px and more); some encoders of timm
    take multiples of a number only, or one size only: the inputs that are printed say so.

    \b
    Examples:
      skipbench export runs/quick --task pose --arm unet --normalise --out pose.onnx   what a run has trained
      skipbench export saved --out model.onnx        a folder of model.save_pretrained(...)
      skipbench export unet --encoder resnet34 --classes 12 --out unet.onnx       random weights
      skipbench export fpn --set fusion=concat --img-size 480x640 --out fpn.pt2
      skipbench export unet --encoder swin_tiny_patch4_window7_224 --fixed-size --img-size 224x224 --out swin.onnx
    \b
    Use it:
      onnxruntime.InferenceSession("model.onnx").run(None, {"image": images})
      torch.export.load("fpn.pt2").module()(images)
    """
    from skipbench.archs import Preparation, export_model

    load(plugin)
    if "/" in model and not Path(model).is_dir():
        raise SuiteError(
            f"there is no folder {model}, and a model's name has no '/' (see `skipbench list models`)."
        )
    own = {"encoder": encoder, "classes": classes, "set": factors}
    chosen: dict[str, Any] = {"arm": arm, "seed": seed, "task": task, "dataset": dataset}
    trained, preparation = None, None
    if (Path(model) / DATABASE).is_file():
        _require_unset(own, f"{model} is a run, whose networks have their own settings")
        from skipbench.bench.training.trained import load_trained

        trained = load_trained(model, **chosen)
        network, size = trained.network, trained.size
        if normalise:
            preparation = Preparation(trained.mean, trained.std, trained.prepare)
        weights = f"trained: {trained.record.name}"
    else:
        _require_unset({**chosen, "normalise": normalise or None}, f"{model} is not a run")
        network, size = _network(model, encoder, classes, factors or []), (256, 256)
        weights = f"saved: {Path(model).name}" if Path(model).is_dir() else _untrained(network.spec.pretrained)
    size = read_size(img_size) if img_size else size
    about = {"skipbench.weights": weights, "skipbench.spec": network.spec.to_yaml()}
    written = export_model(network, out, size, format, fixed_size, preparation, about)
    print(f"wrote {written.path} ({written.format}, {out.stat().st_size / 1e6:.1f} MB)")
    for kind, axes in (("input", written.inputs), ("output", written.outputs)):
        for name, axis_names in axes.items():
            print(f"  {kind} {name}: ({', '.join(map(str, axis_names))})")
    if not trained and not Path(model).is_dir():
        print(f"  its weights are {weights}: skipbench export RUN --arm {model} writes what a run has trained")
    if trained:
        at = "x".join(map(str, trained.size))
        print(f"  {trained.record.name}, trained at {at} px{_prepared(trained)}; {_given(trained, normalise)}")
    sizes = " and ".join("x".join(map(str, shape)) for shape in written.checked)
    print(f"  largest difference from the network, at {sizes}: {written.difference:.1e} of its output")


def _untrained(pretrained: bool) -> str:
    """Return in words what the weights of a new network are."""
    return "random but for the encoder's, which are published ones" if pretrained else "random, nothing was trained"


def _prepared(trained: "Trained") -> str:
    """Return in words how images came to that size and to 8 bits, where it was not by stretching 8 bits."""
    scaling, resize = trained.scaling, trained.record.settings["data"].get("resize", "stretch")
    ends = {"floats" if kind == "f" else kind: each for kind, each in scaling.ranges.items()}
    ranges = [f"{kind} {low:g} to {high:g}" for kind, (low, high) in ends.items()]
    scaled = ["each image's own range"] if scaling.each else ranges
    told = [f"data.resize={resize}"] if resize != "stretch" else []
    told += [f"{' and '.join(scaled)} as 0 to 255"] if scaled else []
    return f" ({', '.join(told)})" if told else ""


def _given(trained: "Trained", normalise: bool) -> str:
    """Return in words which images the program takes."""
    channels = trained.network.spec.in_channels
    images = "RGB images" if channels == 3 else f"images of {channels} channel(s)"
    if normalise:
        return f"it takes {images} as uint8, normalises them itself, and was compared on such images"
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (trained.mean, trained.std))
    return f"it takes {images} from 0 to 1, less ({mean}), over ({std})"


def _require_unset(options: Mapping[str, Any], why: str) -> None:
    """Raise SuiteError for options that were given and do not suit the model."""
    given = [f"--{name}" for name, value in options.items() if value not in (None, [])]
    if given:
        raise SuiteError(f"{why}: remove {', '.join(given)}.")


def _network(model: str, encoder: str | None, classes: int | None, factors: Sequence[str]) -> "EncoderDecoder":
    """Return the saved network of a folder, or a new one by name."""
    from skipbench.archs import EncoderDecoder, build_model, resolve_spec

    if not Path(model).is_dir():
        return build_model(resolve_spec(model, **{"classes": classes or 1, **read_factors(encoder, factors)}))
    if encoder or classes or factors:
        raise SuiteError(
            f"{model} is a saved network, which has its own settings: remove --encoder, --classes and --set."
        )
    return EncoderDecoder.from_pretrained(model)
