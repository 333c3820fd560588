"""`skipbench predict`: what a trained network sees on new images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from skipbench.bench.cli.options import DeviceName, Plugins, RunFolder, load
from skipbench.bench.cli.output import progress
from skipbench.bench.errors import SuiteError

if TYPE_CHECKING:
    from skipbench.bench.training.machine import Device


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(predict)


def predict(
    directory: RunFolder,
    images: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE|DIR", help="An image, or a folder of images (those in it, not in its folders)."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder, an empty one, or one written so before.")],
    arm: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose network, where the run has several.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The best on validation if not given.")] = None,
    task: Annotated[str | None, typer.Option(metavar="NAME", help="The task, where the run has several.")] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="The dataset, where the run has several.")
    ] = None,
    tiles: Annotated[
        bool, typer.Option("--tiles", help="Look at tiles of the training size, in full detail.")
    ] = False,
    overlap: Annotated[
        float | None, typer.Option(min=0, max=0.9, help="The part of a side that tiles share; 0.25 if not given.")
    ] = None,
    boxes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Pose: a COCO JSON with a box around each person.")
    ] = None,
    as_stored: Annotated[
        bool, typer.Option("--as-stored", help="Leave photographs as they are stored, whatever EXIF says.")
    ] = False,
    no_overlays: Annotated[bool, typer.Option("--no-overlays", help="Draw no pictures.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Images, or tiles, per forward pass.")] = 8,
    device: DeviceName = "auto",
    plugin: Plugins = None,
) -> int:
    """Write what a trained network predicts for new images, of any size, in pixels of their files.

    An image is seen as those of the training (data.resize: stretched to one size, fitted, or in windows), and what
    is predicted is brought back to its own size. With --tiles, it is cut, for images whose objects are as large in
    pixels as in training: logits are averaged where tiles overlap, boxes that several tiles find become one, and
    what is larger than the overlap may be cut.

    \b
    segmentation  masks/NAME.png, a class per pixel (palette), and classes.txt, which names them from 0 on
    detection     detections.json, a COCO file with scores; all boxes above the task's threshold
    pose          joints.csv and keypoints.json, a COCO file with scores
    each          overlays/NAME.png

    Pose needs to know where people are: without --boxes, there is one on each image. A box is a person's whole
    extent; their joints are looked for in it, on heatmaps of the whole image.
    An image that cannot be used is named with its reason, the others go on, and the exit code is 1. No file is
    written over that this command has not written.

    \b
    Examples:
      skipbench predict runs/quick photos --task segmentation --arm unet --out found
      skipbench predict runs/mine scan.tif --tiles --overlap 0.3 --out found
      skipbench predict runs/quick photos --task pose --arm hourglass --boxes people.json --out found
    """
    where = _device(device)
    if overlap is not None and not tiles:
        raise SuiteError("--overlap is of tiles: add --tiles, or leave it out.")
    shared = (0.25 if overlap is None else overlap) if tiles else None
    from skipbench.bench.training.new_images import Options, predict_images
    from skipbench.bench.training.trained import load_trained

    load(plugin)
    trained = load_trained(directory, arm=arm, seed=seed, task=task, dataset=dataset)
    options = Options(shared, boxes, False if as_stored else None, not no_overlays, batch_size, where)
    with progress("predict") as watch:
        predicted = predict_images(trained, images, out, options, watch)
    print(f"{predicted.count} image(s) predicted by {trained.record.name}: {out}")
    if not predicted.problems:
        return 0
    print(f"{len(predicted.problems)} problem(s):")
    for problem in predicted.problems:
        print(f"  {problem}")
    return 1


def _device(given: str) -> "Device":
    """Return the kind of device that is meant. Raises SuiteError."""
    from skipbench.bench.training.machine import device_of

    try:
        return cast("Device", device_of(given))
    except ValueError as error:
        raise SuiteError(f"--device: {error}") from None
