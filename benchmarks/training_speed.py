"""Images per second of skipbench's trainer against a plain fp32 PyTorch loop, in turns on the same data.

    python benchmarks/training_speed.py [--data DIR] [--size 128x192] [--rounds 8] [--steps 6] [--batch-size 16]

Both train segmentation_models_pytorch's Unet on resnet18 with AdamW and the same augmentation: skipbench as its
preset `unet.smp` with its own defaults (precision, memory format, reading ahead, augmentation by batch), the plain
loop as most people write it: a DataLoader over the same samples, augmented one by one, then forward, backward,
optimizer in fp32. Which of the two goes first changes from round to round. Prints each round, the median ratio
with its bootstrap interval, and the share of its time that skipbench spends in forward, backward and optimizer.
"""

import argparse
import time
from functools import partial

import numpy as np
import segmentation_models_pytorch as smp
import torch
from scipy import stats
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from skipbench import archs
from skipbench.bench.data import Data, Mask, Sample, open_data
from skipbench.bench.tasks import create_task
from skipbench.bench.training import train
from skipbench.bench.training.augmentation import Augmentation
from skipbench.bench.training.evaluation import MEAN, STD
from skipbench.bench.training.recipe import Recipe


class Augmented(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Image and mask of each sample, varied one by one as skipbench varies batches, normalised."""

    def __init__(self, samples: Dataset[Sample], size: tuple[int, int]) -> None:
        settings, aspect = Augmentation(), size[1] / size[0]
        aspects = (aspect / settings.crop_aspect, aspect * settings.crop_aspect)
        self.samples = samples
        self.transform = v2.Compose(
            [
                v2.RandomHorizontalFlip(settings.flip),
                v2.RandomResizedCrop(size, scale=settings.crop_area, ratio=aspects),
                v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
                v2.ColorJitter(settings.brightness, settings.contrast, settings.saturation),
                v2.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.samples)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        sample = self.samples[index]
        image, mask = self.transform(tv_tensors.Image(sample["image"]), tv_tensors.Mask(sample["mask"]))
        return image, mask


class PlainLoop:
    """A network, its optimizer and its loader, in fp32."""

    def __init__(self, data: Data, batch_size: int) -> None:
        self.model = smp.Unet("resnet18", encoder_weights=None, classes=len(data.info[Mask].names))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-3)
        self.loss = torch.nn.CrossEntropyLoss(ignore_index=data.info[Mask].ignore_index)
        self.loader = DataLoader(Augmented(data.train, data.info.size), batch_size, shuffle=True, drop_last=True)

    def images_per_s(self, steps: int) -> float:
        """Train for `steps` batches and return the images a second."""
        start, images = time.perf_counter(), 0
        for _, (image, mask) in zip(range(steps), self.loader, strict=False):
            self.optimizer.zero_grad()
            self.loss(self.model(image), mask).backward()
            self.optimizer.step()
            images += len(image)
        return images / (time.perf_counter() - start)


def skipbench(data: Data, batch_size: int, steps: int) -> dict[str, float]:
    """Train for `steps` batches and return the run's values."""
    recipe = Recipe(images=steps * batch_size, batch_size=batch_size, validations=1)
    build = partial(archs.create_model, "unet.smp", encoder_name="resnet18", classes=len(data.info[Mask].names))
    return train(build, data, create_task("segmentation", data.info), recipe, seed=0).values


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a folder of images and masks; the embedded scenes if not given")
    parser.add_argument("--size", default="128x192", help="HxW in pixels")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=6, help="batches of each per round")
    parser.add_argument("--batch-size", type=int, default=16)
    return parser.parse_args()


def main() -> None:
    """Print the comparison."""
    chosen = options()
    height, width = (int(side) for side in chosen.size.split("x"))
    source = {"name": "folder", "root": chosen.data} if chosen.data else {"train": 256, "val": 1, "test": 1}
    data = open_data(**source, size=(height, width))
    for index in range(data.info.counts["train"]):  # both find every image decoded
        data.train[index]
    plain = PlainLoop(data, chosen.batch_size)
    ratios, shares = [], []
    for number in range(chosen.rounds + 1):
        speeds: dict[str, float] = {}
        for name in ("plain", "skipbench")[:: 1 if number % 2 else -1]:
            if name == "plain":
                speeds[name] = plain.images_per_s(chosen.steps)
            else:
                values = skipbench(data, chosen.batch_size, chosen.steps)
                speeds[name], share = values["train/images_per_s"], values["train/busy_share"]
        if number:  # the first round warms up
            ratios.append(speeds["skipbench"] / speeds["plain"])
            shares.append(share)
            print(f"round {number}: " + ", ".join(f"{name} {speeds[name]:.1f} images/s" for name in sorted(speeds)))
    spread = stats.bootstrap(
        (np.array(ratios),), np.median, method="percentile", random_state=0
    ).confidence_interval
    print(f"{torch.get_num_threads()} threads, {height}x{width}, batches of {chosen.batch_size}")
    print(f"ratio: median {np.median(ratios):.2f} (95 % bootstrap interval {spread.low:.2f} to {spread.high:.2f})")
    print(f"in forward, backward and optimizer: {min(shares):.1%} to {max(shares):.1%} of skipbench's time")


if __name__ == "__main__":
    main()
