"""A training that was stopped goes on in another process, and ends with the bits of one that was not."""

import hashlib
import pickle
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from skipbench.bench.advance import Advance
from skipbench.bench.data import Data, DataInfo, Mask
from skipbench.bench.records import Outcome
from skipbench.bench.signals import Stopped
from skipbench.bench.tasks import create_task
from skipbench.bench.training import Recipe, train
from skipbench.bench.training.augmentation import Augmentation
from skipbench.bench.training.elastic import Elastic

SIZE = (16, 24)
TIMES = ("train/seconds", "train/images_per_s", "train/busy_share")
RECIPE = Recipe(
    images=48,
    batch_size=8,
    lr=0.02,
    validations=2,
    precision="32-true",
    device="cpu",
    augmentation=Augmentation(elastic=Elastic()),
)
STEPS, HALF = 6, 3
VALIDATION = STEPS + 2  # batches of statistics, and of the split itself
TELLS = STEPS + 2 * VALIDATION + 2  # the last of the test split
FAILS = "as the state that was kept cannot be used: it is "


class Uncertain(nn.Module):
    """Has statistics, draws at random, and counts its steps in a buffer that is in no state_dict."""

    counted: Tensor

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.conv, self.norm, self.head = (
            nn.Conv2d(3, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.Conv2d(width, 3, 1),
        )
        self.register_buffer("counted", torch.zeros(()), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        if self.training:
            self.counted += 1
        maps = nn.functional.dropout(self.norm(self.conv(image)).relu(), 0.3, self.training)
        return self.head(maps) + self.counted / 50

    def predictions(self, image: Tensor) -> list[Tensor]:
        return [self(image)]


class Read(list[dict[str, Tensor]]):
    """Samples that know in which order they were read."""

    def __init__(self, samples: list[dict[str, Tensor]]) -> None:
        super().__init__(samples)
        self.order: list[int] = []

    def __getitem__(self, index: Any) -> Any:
        self.order.append(index)
        return super().__getitem__(index)


def dataset() -> Data:
    random = torch.Generator().manual_seed(0)

    def samples(count: int) -> Read:
        masks = [
            torch.randint(3, (4, 6), generator=random).repeat_interleave(4, 0).repeat_interleave(4, 1)
            for _ in range(count)
        ]
        return Read([{"image": (mask * 100 + 20).to(torch.uint8).expand(3, *SIZE), "mask": mask} for mask in masks])

    counts = {"train": 20, "val": 10, "test": 10}
    return Data(
        *map(samples, counts.values()), DataInfo("blocks", SIZE, counts, "blocks", (Mask(("a", "b", "c")),))
    )


def run(
    recipe: Recipe = RECIPE,
    advance: Advance | None = None,
    seed: int = 0,
    build: Callable[[], nn.Module] = Uncertain,
    data: Data | None = None,
) -> Outcome:
    data = data or dataset()
    return train(build, data, create_task("segmentation", data.info), recipe, seed, advance)


def kept_at(tell: int, recipe: Recipe = RECIPE, before: bytes | None = None) -> bytes:
    """Return the state that a process leaves that is ended when it tells for the n-th time how far it is."""
    states: list[bytes] = []

    def keep(state: bytes) -> None:
        states.append(state)
        if len(states) == tell:
            raise Stopped(signal.SIGTERM)

    with pytest.raises(Stopped):
        run(recipe, Advance(keep=keep, state=before, every_s=0))
    return states[-1]


def assert_same(one: Outcome, other: Outcome, when: str = "") -> None:
    first, second = (
        {key: value for key, value in each.values.items() if key not in TIMES} for each in (one, other)
    )
    assert first == second, when
    assert one.notes == other.notes
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays["predictions"].items():
        assert np.array_equal(array, other.arrays["predictions"][name])


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_whenever_it_is_stopped_the_result_is_the_same(precision: str) -> None:
    recipe = RECIPE.model_copy(update={"precision": precision})
    whole = run(recipe)
    stops = {
        "a step": 2,
        "the step before a validation": HALF,
        "statistics": HALF + 2,
        "a validation": HALF + VALIDATION - 1,
        "its end": HALF + VALIDATION,
        "the step after it": HALF + VALIDATION + 1,
        "the last validation": STEPS + 2 * VALIDATION - 1,
        "the test": TELLS,
    }
    for when, tell in stops.items():
        state = kept_at(tell, recipe)
        assert_same(run(recipe, Advance(state=state)), whole, when)


def test_it_may_be_stopped_again_and_again() -> None:
    state = None
    for _ in range(STEPS):
        state = kept_at(2 if state else 1, before=state)  # a step further each time, or begins its validation again
    state = kept_at(VALIDATION + 1, before=state)
    assert_same(run(advance=Advance(state=state)), run())


def test_a_process_that_is_to_end_keeps_a_state_first() -> None:
    states: list[bytes] = []
    advance = Advance(keep=states.append)
    advance.stopping = Stopped(signal.SIGINT)
    with pytest.raises(Stopped):
        run(advance=advance)
    assert len(states) == 1
    assert_same(run(advance=Advance(state=states[0])), run())


def test_images_of_steps_that_were_taken_are_not_read_again() -> None:
    recipe = RECIPE.model_copy(update={"validations": 1, "recalibrate": False})
    whole, rest = dataset(), dataset()
    run(recipe, data=whole)
    run(recipe, Advance(state=kept_at(4, recipe)), data=rest)
    assert isinstance(whole.train, Read)
    assert isinstance(rest.train, Read)
    assert len(whole.train.order) == 48
    assert rest.train.order == whole.train.order[32:]


def test_seconds_add_up() -> None:
    state = kept_at(STEPS + VALIDATION)
    values = run(advance=Advance(state=state)).values  # without a step of its own
    assert 0 < values["train/busy_share"] < 1
    assert values["train/images_per_s"] == pytest.approx(48 / values["train/seconds"])


def test_a_state_of_another_training_is_named_and_left() -> None:
    whole, state = run(), kept_at(4)
    for other, words in (
        ({"seed": 1}, "of another training (seed)"),
        ({"recipe": RECIPE.model_copy(update={"lr": 0.01})}, "of another training (recipe)"),
        ({"build": lambda: Uncertain(5)}, "of another network"),
    ):
        options: dict[str, Any] = other
        found = run(advance=Advance(state=state), **options)
        assert found.notes == [f"Trained from the start, {FAILS}{words}."]
        assert {**found.values, **dict.fromkeys(TIMES)} == {**run(**options).values, **dict.fromkeys(TIMES)}
    assert whole.notes == []


class Harmful:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("code of a state was run",)


def test_a_damaged_state_is_named_and_left() -> None:
    state, whole = kept_at(4), run()
    changed = bytearray(state)
    changed[len(state) // 2] ^= 1
    code = pickle.dumps(Harmful())
    for damaged, words in (
        (b"", "damaged"),
        (state[:-100], "damaged"),
        (bytes(changed), "damaged"),
        (hashlib.sha256(code).digest() + code, "none of a training"),
        (hashlib.sha256(b"").digest(), "none of a training"),
    ):
        found = run(advance=Advance(state=damaged))
        assert found.notes == [f"Trained from the start, {FAILS}{words}."]
        assert {**found.values, **dict.fromkeys(TIMES)} == {**whole.values, **dict.fromkeys(TIMES)}
