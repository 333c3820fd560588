"""Our U-Net and FPN against segmentation_models_pytorch's, at equal parameters, all by skipbench's trainer.

    python benchmarks/accuracy_bar.py DIR [--images 2048] [--seeds 6] [--size 96x128] [--encoder resnet18]
        [--encoder-weights FILE | --pretrained] [--recipe KEY=VALUE ...] [--out FILE.md]

Same encoder, recipe, images seen, order and augmentation; a pair differs in the decoder alone, whose width is
chosen so that both have the same number of parameters, up to a step of its width. `unet` is like smp's Unet in
decoding to stride 1; with upsample="nearest" it also upsamples as that does. Trained from scratch, and with
--pretrained or --encoder-weights once more from pretrained encoders, on both sides the same weights. Writes each
seed's test mIoU, the paired difference with its 95 % t-interval, and a verdict: ours is below where the interval
lies under 0; elsewhere it is not below, or at most by what the interval allows.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import yaml
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from skipbench import archs
from skipbench.analysis.statistics import summarize
from skipbench.archs.encoders import build_encoder
from skipbench.bench.data import Data, Mask, open_data
from skipbench.bench.tasks import create_task
from skipbench.bench.training import train
from skipbench.bench.training.recipe import Recipe
from skipbench.bench.validation import parse

WIDTH = 64  # of smp's decoders; ours are brought to their parameters
PEERS = {"unet": "smp.Unet", "unet, nearest": "smp.Unet", "fpn": "smp.FPN"}


class Peer(nn.Module):
    """Somebody else's network, with what the trainer asks of one."""

    def __init__(self, network: nn.Module, encoder: archs.ArchSpec) -> None:
        super().__init__()
        self.network, self.normalisation = network, archs.encoders.normalisation(encoder)
        if encoder.weighted:
            self.network.encoder.load_state_dict(_torchvision_names(build_encoder(encoder), self.network.encoder))

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image)

    def predictions(self, image: Tensor) -> list[Tensor]:
        return [self(image)]


def _torchvision_names(encoder: nn.Module, theirs: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of one of our encoders under smp's names: both list a ResNet's in the same order."""
    names, tensors = theirs.state_dict(), list(encoder.state_dict().values())
    if [x.shape for x in names.values()] != [x.shape for x in tensors]:
        raise SystemExit(
            "smp's encoder has other tensors than timm's of that name: pretrained pairs need a ResNet."
        )
    return dict(zip(names, tensors, strict=True))


@dataclass(frozen=True)
class Pairs:
    """What is compared: networks by name, each built afresh."""

    encoder: str
    classes: int
    weights: dict[str, Any]  # the factors by which the encoder begins with learnt weights

    def builders(self) -> dict[str, Callable[[], nn.Module]]:
        """Return what builds each network, ours and its peer side by side."""
        theirs = {name: self._peer(name) for name in dict.fromkeys(PEERS.values())}
        sizes = {name: parameters(build()) for name, build in theirs.items()}
        ours = {
            name: self._equal(name.partition(",")[0], factors, sizes[PEERS[name]])
            for name, factors in (
                ("unet", {"decoder_stride": 1}),
                ("unet, nearest", {"decoder_stride": 1, "upsample": "nearest"}),
                ("fpn", {}),
            )
        }
        return {**ours, **theirs}

    def _peer(self, name: str) -> Callable[[], nn.Module]:
        common = {"encoder_name": self.encoder, "encoder_weights": None, "classes": self.classes}
        spec = archs.resolve_spec("unet", encoder=self.encoder, **self.weights)
        if name == "smp.Unet":
            return lambda: Peer(smp.Unet(decoder_channels=(WIDTH,) * 5, **common), spec)
        channels = {"decoder_pyramid_channels": WIDTH, "decoder_segmentation_channels": WIDTH}
        return lambda: Peer(smp.FPN(**channels, **common), spec)

    def _equal(self, model: str, factors: dict[str, Any], wanted: int) -> Callable[[], nn.Module]:
        """Return what builds our network at the width at which its parameters are nearest to `wanted`."""
        factors = {"encoder": self.encoder, "classes": self.classes, **factors}

        def size(width: int) -> int:
            return parameters(archs.blank_model(archs.resolve_spec(model, width=width, **factors)))

        width = min(range(8, 4 * WIDTH, 4), key=lambda width: abs(size(width) - wanted))
        return partial(archs.build_model, archs.resolve_spec(model, width=width, **factors, **self.weights))


def parameters(network: nn.Module) -> int:
    """Return how many parameters a network has."""
    return sum(parameter.numel() for parameter in network.parameters())


def compared(pairs: Pairs, data: Data, recipe: Recipe, seeds: int, title: str) -> Iterator[str]:
    """Train every network at every seed; yield the lines of a section."""
    networks, task = pairs.builders(), create_task("segmentation", data.info)
    scores: dict[str, list[float]] = {name: [] for name in networks}
    cells = [(seed, name) for seed in range(seeds) for name in networks]
    for seed, name in track(cells, title, console=Console(stderr=True)):
        scores[name].append(train(networks[name], data, task, recipe, seed).values["test/miou"])
        print(f"{title}: {name}, seed {seed}: {100 * scores[name][-1]:.1f}", flush=True)
    yield from ("", f"## {title}", "")
    yield from ("| network | parameters | test mIoU (%), each seed | mean |", "|---|---|---|---|")
    for name, found in scores.items():
        each = ", ".join(f"{100 * score:.1f}" for score in found)
        yield f"| {name} | {parameters(networks[name]()):,} | {each} | {100 * sum(found) / len(found):.1f} |"
    yield from ("", "| pair | mean difference (points) | 95 % t-interval | ours is |", "|---|---|---|---|")
    for ours, peer in PEERS.items():
        found = summarize([100 * (a - b) for a, b in zip(scores[ours], scores[peer], strict=True)])
        if seeds == 1:
            yield f"| {ours} - {peer} | {found.mean:+.1f} | | one seed does not tell |"
            continue
        allowed = f"not below, or by at most {-found.low:.1f} points" if found.low < 0 else "above"
        verdict = "below" if found.high < 0 else allowed
        yield f"| {ours} - {peer} | {found.mean:+.1f} | {found.low:+.1f} to {found.high:+.1f} | {verdict} |"


def main() -> None:
    """Train every network at every seed and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder of images and masks")
    parser.add_argument("--images", type=int, default=2048, help="images seen")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--size", default="96x128", help="HxW in pixels, multiples of 32")
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--pretrained", action="store_true", help="once more, with timm's published weights")
    parser.add_argument("--encoder-weights", type=Path, help="once more, with the weights in this file")
    parser.add_argument("--recipe", nargs="*", default=[], metavar="KEY=VALUE", help="other values of the recipe")
    parser.add_argument("--ignore-index", type=int, default=255, help="the mask value that is ignored")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    chosen = parser.parse_args()
    size = [int(side) for side in chosen.size.split("x")]
    data = open_data("folder", root=chosen.data, size=size, ignore_index=chosen.ignore_index)
    given = {key: yaml.safe_load(value) for key, _, value in (pair.partition("=") for pair in chosen.recipe)}
    recipe = parse(Recipe, {"images": chosen.images, **given}, place="recipe")
    weights: dict[str, Any] = {"pretrained": True} if chosen.pretrained else {}
    weights |= {"encoder_weights": str(chosen.encoder_weights)} if chosen.encoder_weights else {}
    classes = len(data.info[Mask].names)
    other = "".join(f", {pair}" for pair in chosen.recipe)
    lines = [
        "# U-Net and FPN against segmentation_models_pytorch's, at equal parameters",
        "",
        f"{data.info.name} at {chosen.size}, {recipe.images} images seen in batches of {recipe.batch_size}, lr "
        f"{recipe.lr:g}{other}, {chosen.encoder}, {chosen.seeds} seed(s); written by `benchmarks/accuracy_bar.py`.",
    ]
    for title, own in {"From scratch": {}, "From pretrained encoders": weights}.items():
        if title == "From scratch" or own:
            pairs = Pairs(chosen.encoder, classes, own)
            lines += compared(pairs, data, recipe, chosen.seeds, title)
            chosen.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written: {chosen.out.name}")


if __name__ == "__main__":
    main()
