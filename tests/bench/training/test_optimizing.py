"""Optimizers, schedules, averages and early ends by name; without any of them, training is as it was."""

import math
import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from skipbench import archs
from skipbench.bench.advance import Advance
from skipbench.bench.data import Data, open_data
from skipbench.bench.records import Outcome
from skipbench.bench.signals import Stopped
from skipbench.bench.tasks import create_task
from skipbench.bench.training import Recipe, TrainingError, train
from skipbench.bench.training.averaging import average_of, averaged
from skipbench.bench.training.optimizing import optimizer_of, schedule_of

SHORT = Recipe(images=48, batch_size=8, lr=0.01, validations=3, precision="32-true", device="cpu", threads=1)
TIMES = ("train/seconds", "train/images_per_s", "train/busy_share")
BEFORE = {  # the options by which a training was identified before there were others
    *(
        "images",
        "batch_size",
        "lr",
        "warmup",
        "weight_decay",
        "clip_norm",
        "data_init",
        "recalibrate",
        "validations",
    ),
    *("precision", "channels_last", "device", "devices", "threads", "augmentation"),
}


def of(**options: Any) -> Recipe:
    return Recipe.model_validate(SHORT.model_dump(exclude={"warmup"}) | options)


def network(**factors: Any) -> archs.EncoderDecoder:
    return archs.create_model("fpn", encoder_name="test_resnet", width=8, classes=4, **factors)


@pytest.fixture(scope="module")
def data() -> Data:
    return open_data("scenes", size=[32, 32], train=16, val=4, test=4, kinds=["disc", "ring", "striped"])


def run(data: Data, recipe: Recipe, build: Callable[[], nn.Module] = network, **options: Any) -> Outcome:
    return train(build, data, create_task("segmentation", data.info), recipe, 0, **options)


def untimed(outcome: Outcome) -> dict[str, float]:
    return {name: value for name, value in outcome.values.items() if name not in TIMES}


def rates(recipe: Recipe, group: int = 0) -> list[float]:
    """Return the learning rate of each step of a recipe."""
    optimizer = optimizer_of(network(), recipe)
    schedule, found = schedule_of(optimizer, recipe), []
    for _ in range(recipe.steps):
        found.append(optimizer.param_groups[group]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_the_usual_recipe_is_identified_as_before_there_was_more_to_choose() -> None:
    assert Recipe().identity.keys() == BEFORE
    assert of(ema=0.9).identity.keys() == BEFORE | {"ema"}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "poly"])
def test_any_optimizer_goes_with_any_schedule_up_to_lr_and_down_to_all_but_nothing(
    optimizer: str, schedule: str
) -> None:
    recipe = of(optimizer=optimizer, schedule=schedule, images=800, warmup=0.25)
    found = rates(recipe)
    assert max(found) == pytest.approx(recipe.lr)
    assert found[0] == pytest.approx(recipe.lr / 25)
    assert found.index(max(found)) in (24, 25)
    assert found[-1] < recipe.lr / 20


def test_schedules_fall_as_they_are_named() -> None:
    cosine, poly = (rates(of(schedule=name, images=800)) for name in ("cosine", "poly"))
    assert cosine == pytest.approx([0.005 * (1 + math.cos(math.pi * step / 100)) for step in range(100)])
    assert poly == pytest.approx([0.01 * (1 - step / 100) ** 0.9 for step in range(100)])


def test_only_one_cycle_warms_up_unless_it_is_said() -> None:
    recipes = Recipe(), Recipe(schedule="poly"), Recipe(schedule="poly", warmup=0.1)
    assert [recipe.warmup for recipe in recipes] == [0.3, 0, 0.1]


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "poly"])
@pytest.mark.parametrize(
    ("warmup", "steps"), [(0.5, 2), (0.25, 4), (0.75, 2), (0.9, 4), (0.99, 1), (0, 1), (0.99, 3)]
)
def test_a_rise_of_one_step_or_of_all_of_them_goes_with_any_schedule(
    schedule: str, warmup: float, steps: int
) -> None:
    found = rates(of(schedule=schedule, warmup=warmup, images=8 * steps))
    assert len(found) == steps
    assert all(0 < rate <= 0.01 for rate in found)
    if schedule != "one_cycle" or warmup * steps == 1:
        assert max(found) == pytest.approx(0.01), "the highest rate is come to"


def test_optimizers_are_torch_s_with_the_recipe_s_momentum() -> None:
    recipe = of(optimizer="sgd", momentum=0.8)
    found = optimizer_of(network(), recipe)
    schedule_of(found, recipe)
    assert isinstance(found, torch.optim.SGD)
    assert {group["momentum"] for group in found.param_groups} == {0.8}
    found = optimizer_of(network(), of(optimizer="rmsprop"))
    schedule_of(found, of(optimizer="rmsprop"))
    assert isinstance(found, torch.optim.RMSprop)
    assert {(group["momentum"], group["alpha"]) for group in found.param_groups} == {(0, 0.99)}


def test_norms_and_biases_decay_where_they_are_to() -> None:
    for decay_all, expected in ((False, 0.0), (True, 0.1)):
        weights, others = optimizer_of(network(), of(weight_decay=0.1, decay_all=decay_all)).param_groups
        assert (weights["weight_decay"], others["weight_decay"]) == (0.1, expected)
        assert {x.ndim for x in others["params"]} == {1}


def test_the_encoder_has_a_learning_rate_of_its_own() -> None:
    model = network()
    groups = optimizer_of(model, of(encoder_lr=1e-4)).param_groups
    slow = {x for group in groups if group["lr"] == 1e-4 for x in group["params"]}
    assert slow == set(model.encoder.parameters())
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert max(rates(of(encoder_lr=1e-4), group=2)) == pytest.approx(1e-4, rel=0.2)


def test_at_rate_0_the_encoder_stays_as_it_is(data: Data) -> None:
    models: list[archs.EncoderDecoder] = []

    def build() -> archs.EncoderDecoder:
        models.append(network(frozen_norm=True))
        starts.append({name: x.detach().clone() for name, x in models[-1].named_parameters()})
        return models[-1]

    starts: list[dict[str, Tensor]] = []
    run(data, of(encoder_lr=0, validations=1), build)
    changed = {name for name, x in models[0].named_parameters() if not torch.equal(x, starts[0][name])}
    assert changed
    assert not any(name.startswith("encoder.") for name in changed)


def test_a_network_without_an_encoder_has_no_rate_for_it() -> None:
    with pytest.raises(TrainingError, match=r"recipe.encoder_lr is of a network with an encoder"):
        optimizer_of(nn.Conv2d(3, 1, 1), of(encoder_lr=1e-4))


class Affine(nn.Module):
    """Has no norm, so that parts of a batch are computed as the whole."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.sizes = nn.Conv2d(3, 4, 3, padding=1), set[int]()

    def forward(self, image: Tensor) -> Tensor:
        self.sizes.add(len(image))
        return self.conv(image)

    def predictions(self, image: Tensor) -> list[Tensor]:
        return [self(image)]


def test_a_batch_in_parts_is_the_same_batch(data: Data) -> None:
    networks: list[Affine] = []

    def build() -> Affine:
        networks.append(Affine())
        return networks[-1]

    recipe = of(data_init=False)
    whole, parts = (run(data, recipe.model_copy(update={"accumulate": n}), build) for n in (1, 4))
    assert [max(each.sizes) for each in networks[:2]] == [8, 4]  # the four test images make one batch
    assert parts.values["train/loss_last"] == pytest.approx(whole.values["train/loss_last"], rel=1e-4)
    torch.testing.assert_close(networks[0].conv.weight, networks[1].conv.weight, rtol=1e-3, atol=1e-4)


def test_parts_must_be_equal() -> None:
    with pytest.raises(ValidationError, match=r"batch_size is 8, on 2 device.*accumulate: 3 does not divide"):
        Recipe(batch_size=8, devices=2, accumulate=3)


def test_averaged_weights_are_scored_and_kept_and_the_training_goes_on_without_them(data: Data) -> None:
    plain, averaged = (run(data, of(ema=ema)) for ema in (None, 0.999))
    assert averaged.values["train/loss_last"] == plain.values["train/loss_last"]
    assert averaged.values["test/miou"] != plain.values["test/miou"]


def test_an_average_is_the_weights_mean_with_the_first_ones_soon_forgotten() -> None:
    model = nn.Linear(1, 1, bias=False)
    average, expected = average_of(model, 0.5), 0.0
    for step, value in enumerate([4.0, 2.0, 1.0, 8.0, 0.0, 6.0, 3.0, 7.0, 5.0, 9.0]):
        nn.init.constant_(model.weight, value)
        average.update_parameters(model)
        decay = min(0.5, (1 + step) / (10 + step)) if step else 0
        expected = decay * expected + (1 - decay) * value
    with averaged(model, average):
        assert model.weight.item() == pytest.approx(expected)
    assert model.weight.item() == 9.0


def test_it_ends_where_validations_are_no_better(data: Data) -> None:
    recipe = of(images=480, validations=30, patience=2, lr=1e-12, encoder_lr=0, ema=None)
    outcome = run(data, recipe, lambda: network(norm="none"))
    validations = outcome.tables["validations"]["images"]
    best = outcome.values["val/best_at_images"]
    assert outcome.values["train/images"] == max(validations) < 480
    assert len({image for image in validations.tolist() if image > best}) == 2
    assert outcome.notes == [
        f"Ended at {int(max(validations))} of 480 images: 2 validations in a row were no better than the best "
        "(recipe.patience)."
    ]


def test_patience_that_is_spent_with_the_budget_is_no_early_end(data: Data) -> None:
    recipe = of(validations=2, patience=1, lr=1e-12, encoder_lr=0)
    outcome = run(data, recipe, lambda: network(norm="none"))
    assert outcome.values["val/best_at_images"] < outcome.values["train/images"] == recipe.images
    assert outcome.notes == []


@pytest.mark.parametrize(
    "options",
    [{"ema": 0.9}, {"optimizer": "sgd", "schedule": "poly", "warmup": 0.3}, {"accumulate": 2}, {"patience": 1}],
)
def test_wherever_it_is_stopped_the_result_is_the_same(data: Data, options: dict[str, Any]) -> None:
    recipe = of(**options)
    whole, told = run(data, recipe), 0

    def keep(state: bytes) -> None:
        states.append(state)
        if len(states) == stop:
            raise Stopped(signal.SIGTERM)

    for stop in (2, 5, 9, 13):
        states: list[bytes] = []
        try:
            run(data, recipe, advance=Advance(keep=keep, every_s=0))
        except Stopped:
            told += 1
            assert untimed(run(data, recipe, advance=Advance(state=states[-1]))) == untimed(whole), stop
    assert told >= 3
