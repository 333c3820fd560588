"""`skipbench convert`: a public checkpoint as a network of the design space, in a folder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from skipbench.bench.cli.options import Classes, Encoder, Factors, Plugins, load, read_factors
from skipbench.bench.errors import SuiteError

NAMED = 3  # tensors that are named in a line that counts them


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(convert)


def convert(
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="A checkpoint: .safetensors, or of torch.save.", show_default=False),
    ],
    layout: Annotated[str, typer.Option(metavar="NAME", help="Whose it is (`skipbench list layouts`).")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write; it must be empty or not exist.")],
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The preset, where the layout has several; the first by default."),
    ] = None,
    encoder: Encoder = None,
    classes: Classes = 1,
    factors: Factors = None,
    plugin: Plugins = None,
) -> None:
    """Convert a public implementation's checkpoint to config.json and model.safetensors.

    Every tensor must have its place, and nothing is written unless all have. `archs.EncoderDecoder.from_pretrained`
    reads the folder. No code of the checkpoint is run.

    \b
    Examples:
      skipbench convert unet.pth --layout milesial-unet --classes 2 --out converted/unet
      skipbench convert best.safetensors --layout smp-fpn --encoder resnet18 --classes 5 --out converted/fpn
    """
    load(plugin)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise SuiteError(f"--out is {out}, which already exists: choose a new folder.")
    chosen = {"classes": classes, **read_factors(encoder, factors or [])}
    for line in _convert(source, layout, model, chosen, out):
        print(line)


def _convert(source: Path, layout: str, name: str | None, chosen: dict[str, Any], out: Path) -> list[str]:
    """Write the folder and return what to say of it."""
    import torch

    from skipbench.archs import build_model, load_reference, resolve_spec
    from skipbench.archs.drafts import drafted
    from skipbench.archs.reference import LAYOUTS

    presets = LAYOUTS[layout].presets
    if name is not None and name not in presets:
        raise SuiteError(f"--model is '{name}', but layout '{layout}' is of {' or '.join(presets)}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of what the checkpoint does not fill
        model = build_model(resolve_spec(name or presets[0], **chosen))
    fresh = {key: x.clone() for key, x in model.state_dict().items() if LAYOUTS[layout].leaves(key)}
    unused = load_reference(model, source, layout=layout)
    with drafted(out) as draft:
        model.save_pretrained(draft)
    untrained = [key for key, x in fresh.items() if torch.equal(x, model.state_dict()[key])]
    count = sum(parameter.numel() for parameter in model.parameters())
    return [
        f"Wrote {out}: {name or presets[0]} on {model.spec.encoder}, {count:,} parameters.",
        *_counted(unused, "of the checkpoint are not used"),
        *_counted(untrained, "are not in the checkpoint, so they still need training"),
    ]


def _counted(names: list[str], what: str) -> list[str]:
    """Return a line that counts the tensors and names the first, none where there are none."""
    more = ", ..." if len(names) > NAMED else ""
    return [f"{len(names)} tensors {what}: {', '.join(names[:NAMED])}{more}."] if names else []
