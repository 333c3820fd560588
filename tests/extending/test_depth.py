"""Depth per pixel from one file: an annotation, data that have it, a task with its score and its picture."""

from pathlib import Path

import pandas as pd
import pytest

from skipbench.bench.records.store import open_run

DEPTH = """
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from matplotlib.patches import Patch
from torch.utils.data import Dataset

from skipbench import (
    Data, Metric, Prediction, Scorer, Task,
    register_annotation, register_dataset, register_prediction, register_task,
)
from skipbench.bench.data import PixelMap
from skipbench.bench.data.annotations import Key
from skipbench.bench.data.scenes import Scenes
from skipbench.bench.predictions import Array, Layout, Strip


@register_annotation("depth")
class Depth(PixelMap):
    '''How far away each pixel is, from 0 to 1.'''

    keys = {"depth": Key(torch.float32)}
    plural = "depth maps"

    def draw(self, image, sample, factor, colours):
        return image


class WithDepth(Dataset):
    def __init__(self, scenes):
        self.scenes = scenes

    def __len__(self):
        return len(self.scenes)

    def __getitem__(self, index):
        sample = self.scenes[index]
        return {"image": sample["image"], "depth": torch.where(sample["mask"] == 0, 1.0, 0.25)}


@register_dataset("deep_scenes")
class DeepScenes(Scenes):
    '''Scenes whose objects all stand in front of the ground.'''

    def open(self):
        data = super().open()
        fingerprint = data.info.fingerprint + "d"
        info = replace(data.info, name="deep_scenes", annotations=(Depth(),), fingerprint=fingerprint)
        return Data(*map(WithDepth, (data.train, data.val, data.test)), info)


@register_prediction("depth_maps")
@dataclass(frozen=True)
class DepthMaps(Prediction):
    alt = "Test images, their true depth and what each arm predicts"
    caption = "Below each: how many pixels are off by less than .1."

    truth: Annotated[Array, Layout("f", "n H W")]
    prediction: Annotated[Array, Layout("f", "n H W")]

    def right(self, index):
        near = abs(self.truth[index] - self.prediction[index]) < 0.1
        return int(near.sum()), near.size

    def truth_strips(self):
        return [Strip("image", self.images / 255), Strip("true depth", np.repeat(self.truth[..., None], 3, -1))]

    def arm_strip(self, arm):
        return Strip(arm, np.repeat(self.prediction.clip(0, 1)[..., None], 3, -1), self.captions())

    def legend(self):
        return [Patch(color="black", label="near"), Patch(color="white", label="far")]


class DepthScorer(Scorer):
    scores = (Metric("rmse", "Depth RMSE", "", "lower", least=0, digits=3),)

    def __init__(self, task, device):
        super().__init__(task, device)
        self.squares = self.pixels = 0

    def update(self, outputs, batch):
        error = outputs[-1][:, 0] - batch["depth"]
        self.squares += float(error.double().square().sum())
        self.pixels += error.numel()

    def compute(self):
        return {"rmse": (self.squares / self.pixels) ** 0.5}


@register_task("depth")
class DepthTask(Task):
    annotation = Depth
    scorers = (DepthScorer,)
    factors = {"classes": 1, "head_stride": 1}

    @classmethod
    def example(cls):
        return DeepScenes(size=(64, 64), train=8, val=4, test=12).open()

    def loss(self, predictions, batch):
        return torch.stack([(logits[:, 0] - batch["depth"]).square().mean() for logits in predictions]).mean()

    def artifact(self, outputs, batch):
        maps = [batch["image"].movedim(1, -1), batch["depth"], outputs[-1][:, 0]]
        return DepthMaps(*(each.cpu().numpy() for each in maps))
"""


def test_depth_per_pixel_comes_from_one_file(skipbench, small, few, tmp_path: Path) -> None:
    file, run = tmp_path / "depth.py", tmp_path / "run"
    file.write_text(DEPTH)
    checked = skipbench("check", file)
    assert "The contract is kept." in checked
    assert "task 'depth'" in checked
    assert "dataset 'deep_scenes'" in checked
    options = (
        "segmentation.task=depth",
        "--task",
        "depth",
        "data.name=deep_scenes",
        *small,
        *few,
        "--plugin",
        file,
    )
    skipbench("run", "quick", *options, "--out", run)
    (trained,) = [record for record in open_run(run).records() if record.kind == "train"]
    assert (trained.task, trained.dataset) == ("depth", "deep_scenes")
    assert 0 < trained.values["test/rmse"] < 1
    assert trained.determines["study_source"]
    skipbench("report", run, "--plugin", file)
    assert pd.read_csv(run / "report" / "tables" / "accuracy.csv")["mean"][0] == pytest.approx(
        trained.values["test/rmse"]
    )
    page = (run / "report" / "index.html").read_text()
    assert "Best mean Depth RMSE: fpn" in page
    assert "how many pixels are off by less than .1" in page
    plotted = skipbench("plot", run, "predictions", "--format", "svg", "--plugin", file)
    assert "<!-- true depth -->" in Path(plotted.removeprefix("figure: ").strip()).read_text()
    for kind, name in (("tasks", "depth"), ("annotations", "depth"), ("datasets", "deep_scenes")):
        assert name in skipbench("list", kind, "--plugin", file).split()
