"""`skipbench convert`: a public checkpoint as a network of the design space, in a folder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from skipbench.bench.cli.options import Encoder, Factors, Plugins, load, read_factors
from skipbench.bench.errors import SuiteError

NAMED = 3  # tensors that are named in a line that counts them


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(convert)


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A checkpoint (.safetensors, of torch.save, .pkl), or a folder of save_pretrained.",
            show_default=False,
        ),
    ],
    layout: Annotated[str, typer.Option(metavar="NAME", help="Whose it is (`skipbench list layouts`).")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write; it must be empty or not exist.")],
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The preset, where the layout has several and the tensors don't tell."),
    ] = None,
    under: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of several networks in it: its key, or what its names begin with."),
    ] = None,
    encoder: Encoder = None,
    classes: Annotated[int | None, typer.Option(min=1, help="Output channels; the tensors tell.")] = None,
    factors: Factors = None,
    plugin: Plugins = None,
) -> None:
    """Convert a public implementation's checkpoint to config.json and model.safetensors.

    Depth, widths, classes and so on are told by the tensors; what none tells is said, and given with --set. Every
    tensor of the network must have its place, and nothing is written unless all have; what stands beside it is
    named. `archs.EncoderDecoder.from_pretrained` reads the folder. No code of the checkpoint is run.

    \b
    Examples:
      skipbench convert unet.pth --layout milesial-unet --out converted/unet
      skipbench convert last.ckpt --layout smp-fpn --out converted/fpn
      skipbench convert student_teacher.pt --layout smp-unet --under teacher --out converted/unet
      skipbench convert checkpoint_final.pth --layout nnunet-plainconv --out converted/nnunet
    """
    load(plugin)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise SuiteError(f"--out is {out}, which already exists: choose a new folder.")
    chosen = {**({"classes": classes} if classes else {}), **read_factors(encoder, factors or [])}
    for line in _convert(source, layout, model, under, chosen, out):
        print(line)


def _convert(
    source: Path, layout: str, name: str | None, under: str | None, chosen: dict[str, Any], out: Path
) -> list[str]:
    """Write the folder and return what to say of it."""
    from skipbench.archs import from_reference
    from skipbench.archs.drafts import drafted
    from skipbench.archs.reference import LAYOUTS

    presets = LAYOUTS[layout].presets
    if name is not None and name not in presets:
        raise SuiteError(f"--model is '{name}', but layout '{layout}' is of {' or '.join(presets)}.")
    converted = from_reference(source, layout=layout, preset=name, under=under, **chosen)
    model = converted.model
    with drafted(out) as draft:
        model.save_pretrained(draft)
    count = sum(parameter.numel() for parameter in model.parameters())
    assumed = f"No tensor tells {', '.join(converted.assumed)}: taken so; give another with --set."
    return [
        f"Wrote {out}: {converted.preset} on {model.spec.encoder}, {count:,} parameters.",
        *([assumed] if converted.assumed else []),
        *converted.notes,
        *_counted(converted.unused, "of the checkpoint are not used"),
        *_counted(converted.untrained, "are not in the checkpoint, so they still need training"),
    ]


def _counted(names: list[str], what: str) -> list[str]:
    """Return a line that counts the tensors and names the first, none where there are none."""
    more = ", ..." if len(names) > NAMED else ""
    if len(names) == 1:
        what = what.replace("are not", "is not").replace("they still need", "it still needs")
    noun = "tensor" if len(names) == 1 else "tensors"
    return [f"{len(names)} {noun} {what}: {', '.join(names[:NAMED])}{more}."] if names else []
