"""Training: learns, repeats itself, tests the best state once, and leaves torch as it found it."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from skipbench import archs
from skipbench.bench.advance import Advance
from skipbench.bench.data import Data, DataInfo, Mask, open_data
from skipbench.bench.data.loading import Batch
from skipbench.bench.predictions import LabelMaps
from skipbench.bench.records import Outcome
from skipbench.bench.records.metrics import Metric
from skipbench.bench.tasks import Scorer, Task, create_task
from skipbench.bench.training import TrainingError, train
from skipbench.bench.training.augmentation import Augmentation
from skipbench.bench.training.evaluation import MEAN, STD
from skipbench.bench.training.machine import resolve_precision
from skipbench.bench.training.recipe import Recipe

SIZE = (16, 24)
QUICK = Recipe(images=64, batch_size=8, lr=0.02, validations=2, precision="32-true", device="cpu")
AS_BUILT = {"data_init": False, "recalibrate": False}  # the network is run by its steps and validations alone
LOOKS = 1  # but once before the first step
PLAIN = Augmentation(flip=0, crop_area=(1, 1), crop_aspect=1, brightness=0, contrast=0, saturation=0)


class Tiny(nn.Module):
    """One convolution that sees one pixel at a time."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.conv(image)

    def predictions(self, image: Tensor) -> list[Tensor]:
        return [self(image)]


def samples(count: int, seed: int) -> list[dict[str, Tensor]]:
    """Return images whose brightness tells the class of each 4 x 4 block."""
    random = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(count):
        blocks = torch.randint(3, (SIZE[0] // 4, SIZE[1] // 4), generator=random)
        mask = blocks.repeat_interleave(4, 0).repeat_interleave(4, 1)
        found.append({"image": (mask * 100 + 20).to(torch.uint8).expand(3, *SIZE), "mask": mask})
    return found


def dataset(train: int = 24, held_out: int = 10) -> Data:
    counts = {"train": train, "val": held_out, "test": held_out}
    splits = [samples(count, seed) for seed, count in enumerate(counts.values())]
    return Data(*splits, DataInfo("blocks", SIZE, counts, "blocks", (Mask(("a", "b", "c")),)))


def run(
    recipe: Recipe = QUICK,
    seed: int = 0,
    build: Callable[[], nn.Module] = Tiny,
    data: Data | None = None,
    task: type[Task] | None = None,
    **options: object,
) -> Outcome:
    data = data or dataset()
    return train(
        build, data, task(data.info) if task else create_task("segmentation", data.info), recipe, seed, **options
    )


def untimed(outcome: Outcome) -> dict[str, float]:
    timings = ("train/seconds", "train/images_per_s", "train/busy_share")
    return {name: value for name, value in outcome.values.items() if name not in timings}


class Watched(Tiny):
    """Keeps what it is given, in training and in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.trained_on: list[Tensor] = []
        self.evaluated_on: list[Tensor] = []

    def forward(self, image: Tensor) -> Tensor:
        (self.trained_on if self.training else self.evaluated_on).append(image)
        return super().forward(image)


class ScriptedScorer(Scorer):
    """Gives the scores that are written down, one per pass."""

    scores = (Metric("error", "Error", better="lower"),)

    def __init__(self, task: "Scripted", device: torch.device) -> None:
        super().__init__(task, device)
        task.seen.append([])

    def update(self, outputs: list[Tensor], batch: Batch) -> None:
        self.task.seen[-1].append(outputs[-1])

    def compute(self) -> dict[str, float]:
        return {"error": (3.0, 1.0, 2.0, 7.0)[len(self.task.seen) - 1]}


class Scripted(Task):
    """A task of its own, whose scores are written down before: 3, 1, 2 on validation, 7 on test; low is good."""

    annotation = Mask
    scorers = (ScriptedScorer,)

    def __init__(self, info: DataInfo) -> None:
        super().__init__(info)
        self.seen: list[list[Tensor]] = []  # logits of each evaluation

    def loss(self, predictions: list[Tensor], batch: Batch) -> Tensor:
        return predictions[0].square().mean()

    @property
    def factors(self) -> dict[str, int]:
        return {"classes": 3}

    def artifact(self, outputs: list[Tensor], batch: Batch) -> LabelMaps:
        image = batch["image"].permute(0, 2, 3, 1).numpy()
        truth, found = batch["mask"].byte().numpy(), outputs[-1].argmax(1).byte().numpy()
        return LabelMaps(image, truth, found, np.array(["a", "b", "c"]))


def test_it_learns_what_can_be_learnt() -> None:
    values = run(QUICK.model_copy(update={"images": 256, "augmentation": PLAIN})).values
    assert values["test/miou"] > 0.95
    assert values["val/miou"] > 0.95
    assert values["test/dice/a"] > values["test/iou/a"] - 1e-9


def test_the_same_seed_gives_the_same_values_and_another_does_not() -> None:
    first, again, other = (untimed(run(seed=seed)) for seed in (3, 3, 4))
    assert first == again
    assert first["train/loss_last"] != other["train/loss_last"]


def test_every_network_sees_the_same_images_for_a_seed() -> None:
    class Noisy(Watched):
        def forward(self, image: Tensor) -> Tensor:
            return nn.functional.dropout(super().forward(image), 0.5, self.training)

    networks = [Watched(), Noisy()]
    for network in networks:
        run(build=lambda network=network: network)
    one, other = (torch.cat(network.trained_on) for network in networks)
    assert torch.equal(one, other)


def test_the_seed_varies_initialisation_order_and_augmentation() -> None:
    networks: list[Watched] = []
    for seed in (0, 1):
        run(seed=seed, build=lambda: networks.append(Watched()) or networks[-1])
    starts = [network.trained_on[0] for network in networks]
    assert not torch.equal(*starts)

    def initial(seed: int) -> Tensor:
        weights: list[Tensor] = []

        def build() -> nn.Module:
            network = Tiny()
            weights.append(network.conv.weight.detach().clone())
            return network

        run(QUICK.model_copy(update={"images": 8}), seed, build)
        return weights[0]

    assert torch.equal(initial(0), initial(0))
    assert not torch.equal(initial(0), initial(1))


def seen(vary: str, seed: int, alike: bool) -> tuple[Tensor, Tensor]:
    """Return the first weights, and the images that are trained on: all alike and augmented, or neither."""
    data, networks, weights = dataset(train=16), list[Watched](), list[Tensor]()
    for index, sample in enumerate(data.train):
        sample["image"] = data.train[0]["image"] if alike else torch.full((3, *SIZE), index, dtype=torch.uint8)

    def build() -> nn.Module:
        networks.append(Watched())
        weights.append(networks[-1].conv.weight.detach().clone())
        return networks[-1]

    augmentation = Augmentation() if alike else PLAIN
    run(QUICK.model_copy(update={"vary": vary, "augmentation": augmentation}), seed, build, data)
    return weights[0], torch.stack(networks[0].trained_on)


@pytest.mark.parametrize("vary", ["all", "initialisation", "order", "augmentation"])
def test_what_a_seed_is_to_vary_alone_varies_and_the_rest_is_as_with_seed_0(vary: str) -> None:
    (weights, order), (_, augmented) = (seen(vary, 1, alike) for alike in (False, True))
    (weights_0, order_0), (_, augmented_0) = (seen("all", 0, alike) for alike in (False, True))
    varied = {
        "initialisation": not torch.equal(weights, weights_0),
        "order": not torch.equal(order, order_0),
        "augmentation": not torch.equal(augmented, augmented_0),
    }
    assert {source for source, differs in varied.items() if differs} == ({vary} if vary != "all" else {*varied})


def test_images_arrive_normalised_and_each_once_a_pass() -> None:
    network = Watched()
    data = dataset(train=16)
    for index, sample in enumerate(data.train):
        sample["image"] = torch.full((3, *SIZE), index, dtype=torch.uint8)
    recipe = QUICK.model_copy(update={"images": 40, "augmentation": PLAIN, **AS_BUILT})
    run(recipe, build=lambda: network, data=data)
    batches = torch.stack(network.trained_on[LOOKS:])
    assert batches.shape == (5, 8, 3, *SIZE)
    values = batches * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]
    indices = (255 * values).mean((2, 3, 4)).round().int().flatten().tolist()
    assert sorted(indices[:16]) == sorted(indices[16:32]) == list(range(16))
    assert indices[:16] != indices[16:32]
    assert all(image.is_contiguous(memory_format=torch.channels_last) for image in network.trained_on)


def test_the_budget_is_rounded_up_to_whole_batches_and_reported_as_it_goes() -> None:
    done: list[float] = []
    outcome = run(QUICK.model_copy(update={"images": 20}), advance=Advance(done.append))
    assert sorted({*done}) == [1 / 3, 2 / 3, 1]
    assert done == sorted(done), "validation and recalibration tell the share of the step before them"
    assert outcome.values["train/images"] == 24


def test_the_best_state_on_validation_is_tested_once() -> None:
    data = dataset()
    data = replace(data, test=data.val)
    task = Scripted(data.info)
    outcome = train(Tiny, data, task, QUICK.model_copy(update={"images": 48, "validations": 3}), seed=0)
    assert outcome.values["val/error"] == 1.0
    assert outcome.values["val/best_at_images"] == 32
    assert outcome.values["test/error"] == 7.0
    first, best, last, tested = (torch.cat(logits) for logits in task.seen)
    assert torch.equal(tested, best)
    assert not torch.equal(tested, first)
    assert not torch.equal(tested, last)
    assert np.array_equal(outcome.arrays["predictions"]["prediction"], best[:8].argmax(1))


def test_predictions_are_those_of_the_first_test_images() -> None:
    data = dataset()
    shown = run(data=data).arrays["predictions"]
    images = torch.stack([sample["image"] for sample in data.test[:8]]).permute(0, 2, 3, 1)
    assert np.array_equal(shown["images"], images)
    assert np.array_equal(shown["truth"], torch.stack([sample["mask"] for sample in data.test[:8]]))


def test_a_loss_that_is_no_number_stops_training_at_once() -> None:
    class Breaking(Watched):
        def forward(self, image: Tensor) -> Tensor:
            return super().forward(image) * (math.nan if len(self.trained_on) == 3 + LOOKS else 1)

    with pytest.raises(TrainingError, match=r"the loss became nan at image 24 of 64; try a lower lr than 0.02"):
        run(QUICK.model_copy(update=AS_BUILT), build=Breaking)


def test_gradients_that_are_no_numbers_stop_training_at_once() -> None:
    class Steep(Tiny):
        def forward(self, image: Tensor) -> Tensor:
            logits = super().forward(image)
            logits.register_hook(lambda gradient: gradient * math.inf) if logits.requires_grad else None
            return logits

    with pytest.raises(TrainingError, match="the gradient norm became nan at image 8"):
        run(build=Steep)


class OverflowingInEval(Tiny):
    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image) if self.training else super().forward(image) / 0


@pytest.mark.parametrize("task", ["segmentation", "pose", "detection"])
def test_predictions_that_are_not_finite_are_never_scored(task: str) -> None:
    data = open_data("scenes", size=[32, 32], train=8, val=2, test=2)
    chosen = create_task(task, data.info)
    channels, short = chosen.factors["classes"], QUICK.model_copy(update={"images": 8, "validations": 1})
    with pytest.raises(TrainingError, match="predictions in evaluation are not finite, so they cannot be scored"):
        train(lambda: OverflowingInEval(channels), data, chosen, short, 0)


def test_nothing_annotated_for_validation_is_said_in_words() -> None:
    data = dataset()
    for sample in data.val:
        sample["mask"] = torch.full(SIZE, 255)
    with pytest.raises(TrainingError, match="'miou' cannot be computed on the validation split"):
        run(data=data)


def test_torch_is_left_as_it_was_found() -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    outcome = run(QUICK.model_copy(update={"threads": 2}))
    assert outcome.settings["threads"] == 2
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_the_precision_is_resolved_used_and_recorded() -> None:
    class Asked(Watched):
        def forward(self, image: Tensor) -> Tensor:
            precisions.add(self.conv(image).dtype)
            return super().forward(image)

    precisions: set[torch.dtype] = set()
    assert (
        run(QUICK.model_copy(update={"precision": "bf16-mixed"}), build=Asked).settings["precision"] == "bf16-mixed"
    )
    assert precisions == {torch.bfloat16}
    resolved = resolve_precision("auto", torch.device("cpu"))
    assert run(QUICK.model_copy(update={"precision": "auto"})).settings["precision"] == resolved != "auto"


class Normed(Tiny):
    """Has statistics, and a chance to see which images they are taken from."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.seen: list[Tensor] = []

    def forward(self, image: Tensor) -> Tensor:
        if self.training:
            self.seen.append(image)
        return super().forward(self.norm(image))


def test_statistics_are_averaged_anew_over_training_images_before_each_validation() -> None:
    network = Normed()
    recipe = QUICK.model_copy(update={"data_init": False, "augmentation": Augmentation().geometry})
    run(recipe, build=lambda: network)
    taken = torch.stack(network.seen[-recipe.steps :])  # the second validation's, after the last step
    torch.testing.assert_close(network.norm.running_mean, taken.mean((0, 1, 3, 4)))
    torch.testing.assert_close(network.norm.running_var, taken.var((1, 3, 4)).mean(0), rtol=1e-4, atol=0)
    half = recipe.steps // 2
    trained, first = network.seen[LOOKS:][:half], network.seen[LOOKS + half :][: recipe.steps]
    trained += network.seen[LOOKS + half + recipe.steps :][:half]
    assert torch.equal(torch.stack(first), taken), "other images at another validation"
    assert torch.equal(torch.stack(trained), taken), "of other sizes than in training"


def test_statistics_are_of_images_in_their_own_colours() -> None:
    network, none = Normed(), torch.zeros(3, *SIZE, dtype=torch.uint8)
    black, white = ([sample | {"image": none + shade} for sample in samples(4, 0)] for shade in (0, 255))
    data = dataset()
    data = Data(black + white, data.val, data.test, data.info)
    run(QUICK.model_copy(update={"data_init": False}), data=data, build=lambda: network)
    taken = torch.stack(network.seen[-QUICK.steps :])
    shades = (torch.tensor([[0.0], [1.0]]) - torch.tensor(MEAN)) / torch.tensor(STD)
    for channel in range(3):
        assert np.isclose(taken[:, :, channel, ..., None], shades[:, channel]).any(-1).all()


def test_statistics_are_left_to_the_steps_where_that_is_asked() -> None:
    network = Normed()
    run(QUICK.model_copy(update=AS_BUILT), build=lambda: network)
    assert len(network.seen) == LOOKS + 8
    assert network.norm.momentum == 0.1


def test_norms_and_biases_do_not_decay() -> None:
    class Idle(Normed):
        def predictions(self, image: Tensor) -> list[Tensor]:
            return [
                self(image) * 0 + nn.functional.one_hot(torch.zeros(image.shape[0], *SIZE).long(), 3).movedim(3, 1)
            ]

    network = Idle()
    nn.init.ones_(network.conv.bias)
    weight = network.conv.weight.detach().clone()
    run(QUICK.model_copy(update={**AS_BUILT, "weight_decay": 0.5}), build=lambda: network)
    assert torch.equal(network.norm.weight, torch.ones(3))
    assert torch.equal(network.conv.bias, torch.ones(3))
    assert 0 < (network.conv.weight / weight).max() < 0.99


def test_the_learning_rate_rises_for_the_share_of_steps_that_the_recipe_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates: list[float] = []
    step = torch.optim.AdamW.step

    def spy(self: torch.optim.AdamW, *args: object) -> object:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    run(QUICK.model_copy(update={"images": 160, "warmup": 0.5}))
    assert rates.index(max(rates)) == 9  # of steps 0 to 19
    assert max(rates) == pytest.approx(QUICK.lr)


def test_the_start_and_the_clipping_are_recorded() -> None:
    values = run().values
    assert values["start/loss"] == pytest.approx(math.log(3) * values["start/loss_over_chance"])
    assert values["start/loss_over_chance"] == pytest.approx(1, abs=0.15)  # any logits tell these classes apart
    assert run(QUICK.model_copy(update={"clip_norm": 1e-3})).values["train/clipped_share"] == 1
    assert run(QUICK.model_copy(update={"clip_norm": 1e3})).values["train/clipped_share"] == 0


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_first_step_starts_where_the_record_says(precision: str) -> None:
    def build() -> nn.Module:
        return archs.create_model("hourglass", encoder_name="test_resnet", classes=3, width=8, strides=(2, 4))

    values = run(QUICK.model_copy(update={"images": 8, "precision": precision}), build=build).values
    assert values["start/loss_over_chance"] == pytest.approx(1, abs=0.1)
    assert values["train/loss_last"] == pytest.approx(values["start/loss"], rel=0.01)


def test_how_the_head_was_drawn_changes_no_result() -> None:
    def build(factor: float) -> nn.Module:
        network = archs.create_model("unet", encoder_name="test_resnet", classes=3, width=8, strides=(2, 4))
        network.stages[0].head.predictors[0].weight.data *= factor
        return network

    recipe = QUICK.model_copy(update={"lr": 1e-3})
    one, other = (untimed(run(recipe, build=lambda factor=factor: build(factor))) for factor in (1, 8))
    assert one == pytest.approx(other, rel=1e-3)


def test_timings_add_up() -> None:
    values = run().values
    assert 0 < values["train/busy_share"] < 1
    assert values["train/images_per_s"] == pytest.approx(64 / values["train/seconds"])


@pytest.mark.parametrize(
    ("images", "validations", "steps"), [(64, 2, {4, 8}), (64, 3, {3, 6, 8}), (8, 4, {1}), (60, 1, {8})]
)
def test_validations_are_spread_evenly_and_end_with_the_last_step(
    images: int, validations: int, steps: set
) -> None:
    recipe = QUICK.model_copy(update={"images": images, "validations": validations})
    assert recipe.validation_steps == steps


@pytest.mark.parametrize(
    "wrong", [{"images": 0}, {"lr": 0}, {"precision": "fp8"}, {"batchsize": 4}, {"validations": 0}]
)
def test_wrong_recipes_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        Recipe(**wrong)


@pytest.mark.parametrize("name", ["unet", "hourglass", "fpn", "rectified_gaussian"])
def test_every_controlled_network_trains(name: str) -> None:
    def build() -> nn.Module:
        return archs.create_model(name, classes=3, width=8, strides=(2, 4))

    values = run(QUICK.model_copy(update={"images": 16, "validations": 1, "lr": 1e-3}), build=build).values
    assert math.isfinite(values["train/loss_last"])
    assert 0 <= values["test/miou"] <= 1
