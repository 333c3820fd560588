"""The contract of a task and of a metric: loss, scores and pictures agree on what is right."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.data import Subset

from skipbench.archs import create_model
from skipbench.archs.testing import run_check
from skipbench.bench.data import Data
from skipbench.bench.data.loading import Batch, collate
from skipbench.bench.predictions import Prediction, read_prediction
from skipbench.bench.records.metrics import Metric
from skipbench.bench.tasks import TASKS, Metrics, Scorer, Task
from skipbench.bench.training import train
from skipbench.bench.training.augmentation import Augmentation
from skipbench.bench.training.recipe import Recipe
from skipbench.contracts import Finding, require

NETWORK = {"encoder": "test_resnet", "width": 8}  # of an FPN
IMAGES = 12  # of the example's test images at most
STEPS = 24  # in which the loss has to fall
NEAR, HALF = 0.05, 0.5  # of the way from chance to the best, by which a score, or that of a few, may miss it
CPU = torch.device("cpu")
STILL = Augmentation(flip=0, crop_area=(1, 1), crop_aspect=1, brightness=0, contrast=0, saturation=0)


@dataclass(frozen=True)
class Case:
    """A task on its example, a batch of test images, and outputs of several kinds for it: perfect, untrained ..."""

    task: Task
    data: Data
    batch: Batch
    outputs: Mapping[str, list[Tensor]]  # each N, C, h, w
    scorers: Sequence[type[Scorer]]  # that are checked: the task's own, or one

    @property
    def scores(self) -> list[Metric]:
        """What the scorers declare."""
        return [score for scorer in self.scorers for score in scorer.scores]

    def values(self, kind: str, batch_size: int = IMAGES) -> dict[str, float]:
        """Return what the scorers compute of outputs, taken in by batches."""
        return self.metrics(kind, batch_size).compute()

    def metrics(self, kind: str, batch_size: int = IMAGES) -> Metrics:
        """Return the scorers after they have taken in outputs by batches."""
        metrics = Metrics([scorer(self.task, CPU) for scorer in self.scorers])
        for start in range(0, len(self.batch["image"]), batch_size):
            part = slice(start, start + batch_size)
            outputs = [output[part] for output in self.outputs[kind]]
            metrics.update(outputs, {key: value[part] for key, value in self.batch.items()})
        return metrics

    def loss(self, kind: str) -> float:
        """Return the loss of outputs."""
        return self.task.loss(self.outputs[kind], self.batch).item()


def check_task(task: type[Task]) -> list[Finding]:
    """Return one Finding per check of a task on its `example`; whatever it raises becomes a finding."""
    return _checked(task, task.scorers, CHECKS)


def check_metric(metric: type[Scorer], task: str) -> list[Finding]:
    """Return one Finding per check of a metric of the task of that name; whatever it raises becomes a finding."""
    return _checked(
        TASKS[task], [metric], {name: CHECKS[name] for name in ("scores", "best score", "batches", "per image")}
    )


def _checked(
    task: type[Task], scorers: Sequence[type[Scorer]], checks: Mapping[str, Callable[[Case], str]]
) -> list[Finding]:
    made: list[Case] = []

    def network() -> str:
        made.append(make_case(task, scorers))
        return check_network(made[0])

    first = run_check("network", network)
    return [first, *(run_check(name, partial(check, made[0])) for name, check in checks.items() if made)]


def make_case(kind: type[Task], scorers: Sequence[type[Scorer]]) -> Case:
    """Return a task's case: an untrained FPN of its factors tells the shapes of all outputs."""
    data = kind.example()
    task = kind(data.info)
    keys = ("image", *data.info.keys((*task.targets, *task.truths)))
    batch = collate([data.test[index] for index in range(min(IMAGES, data.info.counts["test"]))], keys)
    model = create_model("fpn", **{**task.factors, **NETWORK}).eval()
    with torch.no_grad():
        given = model((batch["image"] / 255 - 0.5) / 0.25)
    untrained = given if isinstance(given, list) else [given]
    perfect = task.perfect(untrained, batch) or least_loss(task, untrained, batch)
    outputs = {
        "perfect": perfect,
        "untrained": untrained,
        "neutral": [task.neutral(output) for output in untrained],
        "shifted": [output.roll(1, 0) for output in perfect],  # each is perfect for another image
        "noisy": [output + output.std() * torch.randn_like(output) for output in perfect],
    }
    return Case(task, data, batch, outputs, scorers)


def least_loss(task: Task, outputs: list[Tensor], batch: Batch) -> list[Tensor]:
    """Return what descent on the loss comes to from outputs that know nothing."""
    logits = [task.neutral(output).clone().requires_grad_() for output in outputs]
    descent = torch.optim.LBFGS(logits, max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        descent.zero_grad()
        value = task.loss(logits, batch)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    descent.step(loss)  # type: ignore[no-untyped-call]
    return [output.detach() for output in logits]


def check_network(case: Case) -> str:
    """The loss of what a network gives is one finite number that depends on all of it."""
    outputs = [output.clone().requires_grad_() for output in case.outputs["untrained"]]
    loss = case.task.loss(outputs, case.batch)
    require(loss.shape == (), f"its loss has shape {tuple(loss.shape)}, expected one number.")
    require(bool(loss.isfinite()), f"its loss is {loss.item()} for an untrained network.")
    loss.backward()  # type: ignore[no-untyped-call]
    for number, output in enumerate(outputs):
        require(output.grad is not None, f"its loss does not depend on prediction {number} of {len(outputs)}.")
    shapes = " and ".join(str(tuple(output.shape)) for output in outputs)
    return f"an untrained one gives {shapes}, with a loss of {loss.item():.3g}"


def check_scores(case: Case) -> str:
    """Every declared score and group is there, says which way is better, and stays in its range."""
    for kind in case.outputs:
        values = case.values(kind)
        for score in case.scores:
            require(score.better is not None, f"'{score.key}' does not say which way is better.")
            for key in _missing(score, values):
                require(False, f"'{key}' is declared but not computed on the example.")
            for key in filter(score.holds, values):
                require(
                    score.within(values[key]),
                    f"'{key}' is {values[key]:g} for {kind} outputs, not between {score.least} and {score.most}.",
                )
    return f"{', '.join(score.key for score in case.scores)}: computed and within range"


def check_best(case: Case) -> str:
    """A perfect prediction has the best value of every score; where none is declared, a better one than chance."""
    perfect, chance = (case.values(kind) for kind in ("perfect", "neutral"))
    for score in case.scores:
        best = score.least if score.sign < 0 else score.most
        for key in filter(score.holds, perfect):
            got, other = perfect[key], chance.get(key, perfect[key])
            if best is None:
                require(
                    score.sign * (got - other) > 0,
                    f"'{key}' is {got:g} for perfect outputs, but {other:g} for neutral ones.",
                )
            else:
                require(
                    abs(got - best) <= (NEAR if key == score.key else HALF) * abs(other - best) + 1e-6,
                    f"'{key}' is {got:g} for perfect outputs, but its best is {best:g}: fix `better` or the range, "
                    "or say in the task's `perfect` what is right.",
                )
    return ", ".join(f"{score.key} {perfect[score.key]:.3g}" for score in case.scores)


def check_batches(case: Case) -> str:
    """The scores are those of the split, whatever batches it comes in."""
    for kind in ("untrained", "noisy"):
        whole, parts = (case.values(kind, batch_size) for batch_size in (IMAGES, 5))
        for key, value in whole.items():
            require(
                key in parts and abs(value - parts[key]) <= 1e-5 * max(1, abs(value)),
                f"'{key}' is {value:g} over one batch but {parts.get(key)} over several: accumulate counts, and "
                "divide in `compute`.",
            )
    return "the same in one batch and in several"


def check_per_image(case: Case) -> str:
    """What is kept per image is of the split's images, whatever batches they come in."""
    whole, parts = (case.metrics("noisy", batch_size).per_image() for batch_size in (IMAGES, 5))
    for name, columns in whole.items():
        images, others = (columns["image"], parts[name]["image"]) if name in parts else (columns["image"], ())
        require(
            np.array_equal(np.sort(images), np.sort(others))
            and set(images) <= set(range(len(case.batch["image"]))),
            f"the images of its table '{name}' are {_numbers(images)} in one batch and {_numbers(others)} in "
            f"several, where they are 0 to {len(case.batch['image']) - 1}: count them over all batches.",
        )
    return (
        ", ".join(f"{name}: {len(columns['image'])} rows" for name, columns in whole.items()) or "nothing is kept"
    )


def _numbers(images: Iterable[int]) -> list[int]:
    return sorted({int(image) for image in images})


def check_least_loss(case: Case) -> str:
    """No other prediction costs less than a perfect one."""
    losses = {kind: case.loss(kind) for kind in case.outputs}
    least = losses.pop("perfect")
    for kind, loss in losses.items():
        require(loss > least, f"the loss of perfect outputs is {least:.4g}, that of {kind} ones {loss:.4g}.")
    return f"{least:.3g}; the next lowest is {min(losses.values()):.3g}"


def check_training(case: Case) -> str:
    """Training from the ground up, with all that a run does, lowers the loss and leaves every score."""
    few = Subset(case.data.train, range(min(8, case.data.info.counts["train"])))
    recipe = Recipe(
        images=8 * STEPS,
        batch_size=8,
        lr=4e-3,
        validations=1,
        augmentation=STILL,
        precision="32-true",
        device="cpu",
    )
    build = partial(create_model, "fpn", **{**case.task.factors, **NETWORK})
    values = train(build, Data(few, few, few, case.data.info), case.task, recipe, seed=0).values
    first, last = values["start/loss"], values["train/loss_last"]
    require(
        last < first, f"its loss is {first:.4g} at first and {last:.4g} after {STEPS} steps on the same images."
    )
    return f"the loss falls from {first:.3g} to {last:.3g} in {STEPS} steps"


def check_prediction(case: Case) -> str:
    """What is shown of a prediction comes back from its file and can be drawn."""
    shown = case.task.artifact(case.outputs["perfect"], case.batch)
    require(
        isinstance(shown, Prediction),
        f"its artifact is {type(shown).__name__}, expected a Prediction.",
    )
    with TemporaryDirectory() as folder:
        file = Path(folder) / "kept.npz"
        np.savez(file, **shown.arrays())  # type: ignore[arg-type]
        kept = read_prediction(file)
    for name, array in shown.arrays().items():
        same = np.array_equal(array, kept.arrays()[name], equal_nan=array.dtype.kind == "f")
        require(same, f"'{name}' of its {shown.kind} is changed by writing and reading it.")
    _draw(kept)
    right = [kept.right(index) for index in range(len(kept.images))]
    hits, total = (sum(numbers) for numbers in zip(*right, strict=True))
    require(
        all(0 <= hit <= of for hit, of in right) and hits >= (1 - NEAR) * total,
        f"for perfect outputs its artifact has {hits} of {total} right.",
    )
    return f"{shown.kind}, {hits} of {total} right"


def _draw(prediction: Prediction) -> None:
    axes: Any = Figure().subplots()
    for strip in [*prediction.truth_strips(), prediction.arm_strip("an arm")]:
        require(
            strip.pictures.shape == (*prediction.images.shape[:3], 3)
            and 0 <= strip.pictures.min() <= strip.pictures.max() <= 1,
            f"the pictures of '{strip.name}' are {strip.pictures.shape}, {strip.pictures.min():g} to "
            f"{strip.pictures.max():g}; expected RGB of the images' size from 0 to 1.",
        )
        for index in prediction.shown() if strip.draw else ():
            assert strip.draw
            strip.draw(axes, index, 0.0)
    require(all(handle.get_label() for handle in prediction.legend()), "an entry of its legend has no label.")


def _missing(score: Metric, values: Mapping[str, float]) -> Iterator[str]:
    """Yield what is declared of a score and not among the values."""
    for key in [score.key, *(f"{by.prefix}{group}" for by in score.by for group in by.groups)]:
        if key not in values:
            yield key
    for by in score.by:
        if not any(map(by.holds, values)):
            yield by.prefix


CHECKS: dict[str, Callable[[Case], str]] = {
    "scores": check_scores,
    "best score": check_best,
    "batches": check_batches,
    "per image": check_per_image,
    "least loss": check_least_loss,
    "training": check_training,
    "prediction": check_prediction,
}
