"""What a training leaves besides its scores: its curve, its validations, its weights."""

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load

from skipbench.archs import create_model
from skipbench.bench.advance import Advance
from skipbench.bench.data import open_data
from skipbench.bench.records import Outcome
from skipbench.bench.records.curve import POINTS, Curve
from skipbench.bench.tasks import create_task
from skipbench.bench.training import Recipe, train

RECIPE = Recipe(images=48, batch_size=8, lr=0.01, warmup=0.5, validations=3, precision="32-true", device="cpu")


def run(recipe: Recipe = RECIPE, advance: Advance | None = None) -> Outcome:
    data = open_data("scenes", size=[32, 32], train=16, val=4, test=4)
    task = create_task("segmentation", data.info)

    def build() -> torch.nn.Module:
        return create_model("fpn", encoder_name="test_resnet", width=8, **task.factors)

    return train(build, data, task, recipe, 0, advance)


@pytest.fixture(scope="module")
def trained() -> Outcome:
    return run()


def test_the_curve_has_the_loss_the_rate_and_the_speed_of_each_step_where_there_are_few(trained: Outcome) -> None:
    curve = trained.tables["curve"]
    assert curve["images"].tolist() == [8, 16, 24, 32, 40, 48]
    assert curve["loss"][-1] == trained.values["train/loss_last"]
    assert curve["loss"][0] == pytest.approx(trained.values["start/loss"], rel=1e-5)
    assert curve["lr"].argmax() == 2  # the third of six, where half of them warm up
    assert curve["lr"].max() == pytest.approx(0.01)
    assert (8 / curve["images_per_s"]).sum() == pytest.approx(trained.values["train/seconds"])


def test_a_point_of_a_long_training_is_the_mean_since_the_last() -> None:
    recipe = RECIPE.model_copy(update={"images": 8 * 2 * POINTS, "validations": 1})
    assert recipe.spread(POINTS) == set(range(2, 2 * POINTS + 1, 2))
    curve = Curve()
    for loss, seconds in ((3.0, 1.0), (1.0, 3.0)):
        curve.add_step(loss, seconds)
    curve.add_point(16, 0.1, batch_size=8)
    curve.add_step(5.0, 2.0)
    curve.add_point(24, 0.2, batch_size=8)
    assert curve.points == [[16, 2.0, 0.1, 4.0], [24, 5.0, 0.2, 4.0]]


def test_every_validation_is_there_and_the_best_is_the_one_that_is_told(trained: Outcome) -> None:
    validations = pd.DataFrame(trained.tables["validations"]).set_index("images")
    assert validations.index.tolist() == [16, 32, 48]
    best = validations["val/miou"].idxmax()
    assert best == trained.values["val/best_at_images"]
    for key, value in trained.values.items():
        if key.startswith("val/") and key != "val/best_at_images":
            assert validations[key][best] == value


def test_a_score_that_one_validation_lacks_is_missing_there() -> None:
    curve = Curve()
    curve.add_step(1.0, 1.0)
    curve.add_point(8, 0.1, batch_size=8)
    curve.add_validation(8, {"a": 1.0})
    curve.add_validation(16, {"a": 2.0, "b": 3.0})
    found = curve.tables()["validations"]
    assert np.array_equal(found["val/b"], [np.nan, 3.0], equal_nan=True)


def test_the_test_images_are_numbered(trained: Outcome) -> None:
    assert set(trained.tables["images.classes"]["image"].tolist()) == {0, 1, 2, 3}
    assert "images.objects" in trained.tables


def test_the_weights_are_those_that_were_tested(trained: Outcome) -> None:
    network = create_model("fpn", encoder_name="test_resnet", width=8, classes=6, head_stride=1)
    network.load_state_dict(load(trained.files["best.safetensors"]))
    network.eval()
    shown = trained.arrays["predictions"]
    mean, std = (torch.tensor(trained.settings[name])[:, None, None] for name in ("mean", "std"))
    images = torch.from_numpy(shown["images"]).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        found = network((images - mean) / std).argmax(1)
    assert np.array_equal(found, shown["prediction"])


def test_a_curve_goes_on_where_it_was_stopped(trained: Outcome) -> None:
    states: list[bytes] = []
    run(advance=Advance(keep=states.append, every_s=0))
    for state in (states[3], states[len(states) // 2]):
        tables = run(advance=Advance(state=state)).tables
        for role, columns in trained.tables.items():
            for name, column in columns.items():
                if name != "images_per_s":
                    assert np.array_equal(tables[role][name], column, equal_nan=column.dtype.kind == "f"), (
                        role,
                        name,
                    )
