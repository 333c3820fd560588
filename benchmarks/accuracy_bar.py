"""Our U-Nets and FPNs against segmentation_models_pytorch's, at equal parameters, all by skipbench's trainer.

    python benchmarks/accuracy_bar.py DIR [--images 2048] [--seeds 6] [--size 96x128] [--encoder resnet18]
        [--encoder-weights FILE | --pretrained] [--recipe KEY=VALUE ...] [--jobs 2] [--out FILE.md]

Same encoder, recipe, images seen, order and augmentation. `unet.smp` and `fpn.smp` are the peers' own designs
built by us; the controlled `unet` and `fpn` have other decoders, alone or with the peer's upsampling or head, at
the width at which parameters are equal, up to a step of the width. From scratch our ResNets begin as smp's do, but
for "timm's start", skipbench's default, in which the last norm of each residual block is 0. With --pretrained or
--encoder-weights all are trained once more, their encoders beginning with the same weights. Writes each seed's
test mIoU, the paired difference with its 95 % t-interval, and a verdict: ours is below where the interval lies
under 0; elsewhere it is not below, or at most by what the interval allows. Every score is kept beside FILE.md in
FILE.jsonl at once: a second call goes on.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
import yaml
from rich.console import Console
from rich.progress import Progress
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
AS_SMP = {"encoder_args": {"zero_init_last": False}}
OURS: dict[str, tuple[str, str, dict[str, Any]]] = {  # name -> the peer, the model, and its other factors
    "unet.smp": ("smp.Unet", "unet.smp", AS_SMP),
    "unet.smp, timm's start": ("smp.Unet", "unet.smp", {}),
    "unet, nearest": ("smp.Unet", "unet", {"decoder_stride": 1, "upsample": "nearest", **AS_SMP}),
    "unet": ("smp.Unet", "unet", {"decoder_stride": 1, **AS_SMP}),
    "fpn.smp": ("smp.FPN", "fpn.smp", {"head_width": WIDTH, **AS_SMP}),
    "fpn.smp, timm's start": ("smp.FPN", "fpn.smp", {"head_width": WIDTH}),
    "fpn, merged": ("smp.FPN", "fpn", {"head_levels": "merged", "supervision": "last", **AS_SMP}),
    "fpn": ("smp.FPN", "fpn", AS_SMP),
}
NETWORKS = [*OURS, *dict.fromkeys(peer for peer, _, _ in OURS.values())]


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
class Study:
    """What every training shares."""

    data: Path
    size: tuple[int, int]
    ignore_index: int
    encoder: str
    recipe: Recipe
    weights: dict[str, Any]  # the factors by which an encoder begins with learnt weights
    threads: int

    def opened(self) -> Data:
        """Return the images and masks."""
        return open_data("folder", root=self.data, size=list(self.size), ignore_index=self.ignore_index)

    def builder(self, name: str, classes: int) -> Callable[[], nn.Module]:
        """Return what builds a network afresh."""
        if name not in OURS:
            return self._peer(name, classes)
        peer, model, factors = OURS[name]
        factors = {"encoder": self.encoder, "classes": classes, **factors}
        wanted = parameters(self._peer(peer, classes)())
        widths = [(WIDTH,) * 5 + (512,)] if model == "unet.smp" else range(8, 4 * WIDTH, 4)

        def excess(width: Any) -> int:
            return abs(parameters(archs.blank_model(archs.resolve_spec(model, width=width, **factors))) - wanted)

        width = min(widths, key=excess)
        return partial(archs.build_model, archs.resolve_spec(model, width=width, **factors, **self.weights))

    def _peer(self, name: str, classes: int) -> Callable[[], nn.Module]:
        common = {"encoder_name": self.encoder, "encoder_weights": None, "classes": classes}
        spec = archs.resolve_spec("unet", encoder=self.encoder, **self.weights)
        if name == "smp.Unet":
            return lambda: Peer(smp.Unet(decoder_channels=(WIDTH,) * 5, **common), spec)
        channels = {"decoder_pyramid_channels": WIDTH, "decoder_segmentation_channels": WIDTH}
        return lambda: Peer(smp.FPN(**channels, **common), spec)

    def score(self, name: str, seed: int) -> dict[str, Any]:
        """Train a network and return what is kept of it."""
        torch.set_num_threads(self.threads)
        data = self.opened()
        build = self.builder(name, len(data.info[Mask].names))
        found = train(build, data, create_task("segmentation", data.info), self.recipe, seed)
        return {"network": name, "seed": seed, "parameters": parameters(build()), "miou": found.values["test/miou"]}

    @property
    def identity(self) -> str:
        """What a kept score must agree in."""
        weights = sorted(self.weights.items())
        return repr((self.size, self.ignore_index, self.encoder, self.recipe.identity, weights))


def parameters(network: nn.Module) -> int:
    """Return how many parameters a network has."""
    return sum(parameter.numel() for parameter in network.parameters())


def scores(study: Study, seeds: int, jobs: int, title: str, kept: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """Train what is not kept yet; return every network's and seed's score."""
    lines = map(json.loads, kept.read_text(encoding="utf-8").splitlines()) if kept.exists() else ()
    found = {(line["network"], line["seed"]): line for line in lines if line["of"] == study.identity}
    cells = [(name, seed) for seed in range(seeds) for name in NETWORKS if (name, seed) not in found]
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
    with pool, Progress(console=Console(stderr=True)) as progress, kept.open("a", encoding="utf-8") as file:
        row = progress.add_task(title, total=len(cells))
        for future in as_completed([pool.submit(study.score, *cell) for cell in cells]):
            line = {"of": study.identity, **future.result()}
            found[line["network"], line["seed"]] = line
            print(json.dumps(line), file=file, flush=True)
            print(f"{title}: {line['network']}, seed {line['seed']}: {100 * line['miou']:.1f}", flush=True)
            progress.advance(row)
    return found


def section(title: str, found: dict[tuple[str, int], dict[str, Any]], seeds: int) -> Iterator[str]:
    """Yield the lines of a section."""
    miou = {name: [100 * found[name, seed]["miou"] for seed in range(seeds)] for name in NETWORKS}
    yield from ("", f"## {title}", "")
    yield from ("| network | parameters | test mIoU (%), each seed | mean |", "|---|---|---|---|")
    for name, each in miou.items():
        shown = ", ".join(f"{score:.1f}" for score in each)
        yield f"| {name} | {found[name, 0]['parameters']:,} | {shown} | {sum(each) / seeds:.1f} |"
    yield from ("", "| pair | mean difference (points) | 95 % t-interval | ours is |", "|---|---|---|---|")
    for ours, (peer, _, _) in OURS.items():
        gain = summarize([a - b for a, b in zip(miou[ours], miou[peer], strict=True)])
        if seeds == 1:
            yield f"| {ours} - {peer} | {gain.mean:+.1f} | | one seed does not tell |"
            continue
        allowed = f"not below, or by at most {-gain.low:.1f} points" if gain.low < 0 else "above"
        verdict = "below" if gain.high < 0 else allowed
        yield f"| {ours} - {peer} | {gain.mean:+.1f} | {gain.low:+.1f} to {gain.high:+.1f} | {verdict} |"


def main() -> None:
    """Train every network at every seed and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder of images and masks")
    parser.add_argument("--images", type=int, default=2048, help="images seen")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--size", default="96x128", help="HxW in pixels, multiples of 32")
    parser.add_argument("--encoder", default="resnet18", help="a ResNet that timm and smp have")
    parser.add_argument("--pretrained", action="store_true", help="once more, with timm's published weights")
    parser.add_argument("--encoder-weights", type=Path, help="once more, with the weights in this file")
    parser.add_argument("--recipe", nargs="*", default=[], metavar="KEY=VALUE", help="other values of the recipe")
    parser.add_argument("--ignore-index", type=int, default=255, help="the mask value that is ignored")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once, which share the CPU's threads")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    chosen = parser.parse_args()
    height, width = (int(side) for side in chosen.size.split("x"))
    given = {key: yaml.safe_load(value) for key, _, value in (pair.partition("=") for pair in chosen.recipe)}
    recipe = parse(Recipe, {"images": chosen.images, **given}, place="recipe")
    weights: dict[str, Any] = {"pretrained": True} if chosen.pretrained else {}
    weights |= {"encoder_weights": str(chosen.encoder_weights)} if chosen.encoder_weights else {}
    other = "".join(f", {pair}" for pair in chosen.recipe)
    lines = [
        "# U-Nets and FPNs against segmentation_models_pytorch's, at equal parameters",
        "",
        f"{chosen.data.name} at {chosen.size}, {recipe.images} images seen in batches of {recipe.batch_size}, lr "
        f"{recipe.lr:g}{other}, {chosen.encoder}, {chosen.seeds} seed(s); written by `benchmarks/accuracy_bar.py`.",
        "`unet.smp` and `fpn.smp` are the peers' designs, built by skipbench; `unet` and `fpn` are the controlled "
        "models, also with nearest upsampling or with a head on the merged maps of all levels. With timm's start, "
        "skipbench's default, the last norm of each residual block is 0 at first; the other networks begin as the "
        "peers do.",
    ]
    threads = max(1, torch.get_num_threads() // chosen.jobs)
    for title, own in {"From scratch": {}, "From pretrained encoders": weights}.items():
        if title == "From scratch" or own:
            study = Study(chosen.data, (height, width), chosen.ignore_index, chosen.encoder, recipe, own, threads)
            kept = scores(study, chosen.seeds, chosen.jobs, title, chosen.out.with_suffix(".jsonl"))
            lines += section(title, kept, chosen.seeds)
            chosen.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written: {chosen.out.name}")


if __name__ == "__main__":
    main()
