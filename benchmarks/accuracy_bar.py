"""The controlled `unet` and `fpn` against segmentation_models_pytorch's Unet and FPN, all by skipbench's trainer.

    python benchmarks/accuracy_bar.py DIR [--images 2048] [--seeds 3] [--size 96x128] [--out FILE.md]

Same encoder (resnet18 from scratch), width (64), recipe, images seen, order and augmentation; a pair differs in the
decoder alone. smp's Unet decodes to stride 1 and upsamples by repetition, the controlled `unet` to the encoder's
finest stride, 2, with transposed convolutions; so `unet` is also trained to stride 1, and with upsample="nearest"
too. Writes each seed's test mIoU and the paired difference with its 95 % t-interval.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import segmentation_models_pytorch as smp
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from skipbench import archs
from skipbench.analysis.statistics import summarize
from skipbench.bench.data import Mask, open_data
from skipbench.bench.tasks import create_task
from skipbench.bench.training import train
from skipbench.bench.training.recipe import Recipe

ENCODER, WIDTH = "resnet18", 64


class Peer(nn.Module):
    """Somebody else's network, with what the trainer asks of one."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image)

    def predictions(self, image: Tensor) -> list[Tensor]:
        return [self(image)]


def builders(classes: int) -> dict[str, Callable[[], nn.Module]]:
    """Return what builds each network, ours and its peer side by side."""
    ours = {"encoder_name": ENCODER, "width": WIDTH, "classes": classes}
    common = {"encoder_name": ENCODER, "encoder_weights": None, "classes": classes}
    return {
        "unet": partial(archs.create_model, "unet", **ours),
        "unet, to stride 1": partial(archs.create_model, "unet", decoder_stride=1, **ours),
        "unet, nearest, to stride 1": partial(
            archs.create_model, "unet", upsample="nearest", decoder_stride=1, **ours
        ),
        "smp.Unet": lambda: Peer(smp.Unet(decoder_channels=(WIDTH,) * 5, **common)),
        "fpn": partial(archs.create_model, "fpn", **ours),
        "smp.FPN": lambda: Peer(
            smp.FPN(decoder_pyramid_channels=WIDTH, decoder_segmentation_channels=WIDTH, **common)
        ),
    }


def table(scores: dict[str, list[float]], settings: str, classes: int) -> str:
    """Return the scores and the paired differences as Markdown."""
    parameters = {name: sum(p.numel() for p in build().parameters()) for name, build in builders(classes).items()}
    lines = [settings, "", "| network | parameters | test mIoU (%), each seed | mean |", "|---|---|---|---|"]
    for name, found in scores.items():
        each = ", ".join(f"{100 * score:.1f}" for score in found)
        lines.append(f"| {name} | {parameters[name]:,} | {each} | {100 * sum(found) / len(found):.1f} |")
    lines += ["", "| pair | mean difference (points) | 95 % t-interval |", "|---|---|---|"]
    peers = {name: "smp.Unet" for name in builders(classes) if name.startswith("unet")} | {"fpn": "smp.FPN"}
    for ours, peer in peers.items():
        found = summarize([100 * (a - b) for a, b in zip(scores[ours], scores[peer], strict=True)])
        lines.append(f"| {ours} - {peer} | {found.mean:+.1f} | {found.low:+.1f} to {found.high:+.1f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train every network at every seed and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder of images and masks")
    parser.add_argument("--images", type=int, default=2048, help="images seen")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", default="96x128", help="HxW in pixels, multiples of 32")
    parser.add_argument("--ignore-index", type=int, default=255, help="the mask value that is ignored")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    chosen = parser.parse_args()
    height, width = (int(side) for side in chosen.size.split("x"))
    data = open_data("folder", root=chosen.data, size=(height, width), ignore_index=chosen.ignore_index)
    task = create_task("segmentation", data.info)
    recipe = Recipe(images=chosen.images)
    networks = builders(len(data.info[Mask].names))
    scores: dict[str, list[float]] = {name: [] for name in networks}
    cells = [(seed, name) for seed in range(chosen.seeds) for name in networks]
    for seed, name in track(cells, "training", console=Console(stderr=True)):
        outcome = train(networks[name], data, task, recipe, seed)
        scores[name].append(outcome.values["test/miou"])
        print(f"{name}, seed {seed}: {100 * scores[name][-1]:.1f}", flush=True)
    settings = (
        f"# The controlled models against segmentation_models_pytorch\n\n{data.info.name} at {height}x{width}, "
        f"{recipe.images} images seen in batches of {recipe.batch_size}, lr {recipe.lr:g}, {ENCODER} from scratch, "
        f"width {WIDTH}, {chosen.seeds} seeds; written by `benchmarks/accuracy_bar.py`."
    )
    chosen.out.write_text(table(scores, settings, len(data.info[Mask].names)), encoding="utf-8")
    print(f"written: {chosen.out.name}")


if __name__ == "__main__":
    main()
