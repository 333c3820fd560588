"""Does FPN's 3x3 output convolution smooth what nearest upsampling has roughened? Energy at short periods.

Nearest upsampling by 2 repeats each pixel: what it adds lies at periods from 4 px down to 2, which the coarser map
cannot hold. At a period of exactly 2 px it adds nothing, as each pixel and its double cancel there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from torch import Tensor, nn

from skipbench.archs import EncoderDecoder, create_model
from skipbench.bench.claims.alignment import SHARED
from skipbench.bench.data import open_data
from skipbench.bench.data.loading import collate
from skipbench.bench.records import WEIGHTS
from skipbench.bench.records.reader import open_run
from skipbench.bench.training.evaluation import MEAN, STD, normalised
from skipbench.bench.training.trained import load_trained

PERIOD = 4  # px; what is shorter in one direction at least counts
IMAGES = 16  # of the test split, the first
SIZE = (128, 128)  # (H, W) in px of the images of a network at its start
SMALLEST = 8  # px a side of a map that has several periods
Energies = NDArray[np.float64]


@dataclass(frozen=True)
class Shares:
    """The share of energy at short periods inside the merged maps of one network, before and after the 3x3."""

    task: str
    dataset: str
    arm: str
    seed: int
    before: float
    after: float


def fine_share(maps: Tensor) -> float:
    """Return the share of the energy of maps (N, C, H, W) at periods below PERIOD; NaN of constant maps."""
    return _share(_energies(maps))


def start_share(maps: Tensor) -> float:
    """Return the share that a 3x3 with fresh weights leaves inside maps (N, C, H, W), in expectation.

    Its weights are independent, of mean 0 and one variance, so the expected energy is that of the maps' nine
    windows (H - 2, W - 2), alike: a filter without a preference for any period.
    """
    height, width = maps.shape[-2] - 2, maps.shape[-1] - 2
    windows = [maps[..., y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return _share(sum((_energies(window) for window in windows), np.zeros((height, width))))


def inside(maps: Tensor) -> Tensor:
    """Return maps without the pixels at their border, whose 3x3 sees the padding."""
    return maps[..., 1:-1, 1:-1]


def _energies(maps: Tensor) -> Energies:
    """Return the energy of all maps at each frequency (H, W), each map's mean aside.

    By the cosine transform, which sees no edge where a map ends; the k-th of n has a period of 2 n / k px.
    """
    found = fft.dctn(maps.double().cpu().numpy(), axes=(-2, -1), norm="ortho") ** 2
    energies: Energies = found.sum((0, 1))
    energies[0, 0] = 0
    return energies


def _share(energies: Energies) -> float:
    rows, columns = (np.arange(length) * PERIOD > 2 * length for length in energies.shape)
    total = energies.sum()
    return float(energies[rows[:, None] | columns].sum() / total) if total else float("nan")


def at_start(seed: int = 0) -> dict[str, float]:
    """Return the shares "before" and, in expectation, "after" the 3x3 of a fresh FPN on embedded images."""
    data = open_data("scenes", size=SIZE, train=1, val=1, test=IMAGES)
    images = collate([data.test[index] for index in range(IMAGES)], ("image",))["image"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = create_model("fpn", **SHARED).eval()
    maps = [before for before, _ in _merged(model, normalised(images, MEAN, STD))]
    shares = {"before": [fine_share(inside(each)) for each in maps], "after": [start_share(each) for each in maps]}
    return {name: float(np.mean(each)) for name, each in shares.items()}


def kept_shares(directory: Path) -> list[Shares]:
    """Return the shares of all trained networks that a run keeps and whose decoder ends in one 3x3 convolution.

    On the first IMAGES images of the test split, inside the maps; means over the levels that are merged from two.
    Raises BenchError.
    """
    run = open_run(directory)
    kept = [
        record
        for record in run.records()
        if record.status == "ok" and WEIGHTS in record.artifacts and record.spec.get("out") == "conv3x3"
    ]
    images: dict[tuple[str, str], Tensor] = {}
    found = []
    for record in kept:
        place = {"task": record.task, "dataset": record.dataset}
        if (record.task, record.dataset) not in images:
            images[record.task, record.dataset] = _test_images(run.suite, **place)
        trained = load_trained(directory, arm=record.arm, seed=record.seed, **place)
        pairs = list(_merged(trained.network, trained.prepare(images[record.task, record.dataset])))
        if pairs and record.seed is not None:
            before, after = np.mean([[fine_share(inside(maps)) for maps in pair] for pair in pairs], 0).tolist()
            found.append(Shares(**place, arm=record.arm, seed=record.seed, before=before, after=after))
    return [shares for shares in found if np.isfinite(shares.after - shares.before)]  # a map may be 0 all over


def _test_images(suite: dict[str, Any], task: str, dataset: str) -> Tensor:
    """Return the first test images of a study's data (N, 3, H, W)."""
    for study in suite["studies"]:
        section = {key: value for key, value in study["data"].items() if value is not None}
        called = section.pop("label", None)
        data = open_data(**section)
        if (study["task"]["name"], called or data.info.name) == (task, dataset):
            count = min(IMAGES, data.info.counts["test"])
            images: Tensor = collate([data.test[index] for index in range(count)], ("image",))["image"]
            return images
    raise AssertionError(f"the plan has no study of {task} on {dataset}")


def _merged(model: EncoderDecoder, images: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each map that the last decoder merges of two, before and after its 3x3; not those below SMALLEST."""
    decoder = list(model.stages)[-1].decoder
    pairs: dict[nn.Module, tuple[Tensor, Tensor]] = {}
    two = {level for level, step in enumerate(decoder.steps) if {*step.fusion.uses} == {"coarse", "skip"}}
    merging = [out for out, level in zip(decoder.outs, decoder.read, strict=True) if level in two]
    hooks = [
        out.register_forward_hook(lambda module, inputs, output: pairs.update({module: (inputs[0], output)}))
        for out in merging
    ]
    try:
        with torch.inference_mode():
            model.predictions(images)
    finally:
        for hook in hooks:
            hook.remove()
    found = [pairs[out] for out in merging if out in pairs]
    yield from (pair for pair in found if min(pair[0].shape[-2:]) >= SMALLEST)
