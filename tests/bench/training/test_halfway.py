"""What half of a network's stacks give is scored where later ones refine it, and nowhere else."""

from functools import partial

import pytest
import torch
from safetensors.torch import load

from skipbench.archs import EncoderDecoder, create_model
from skipbench.bench.data import open_data
from skipbench.bench.data.loading import collate
from skipbench.bench.records import WEIGHTS
from skipbench.bench.tasks import create_task
from skipbench.bench.training import train
from skipbench.bench.training.evaluation import MEAN, STD, normalised
from skipbench.bench.training.recipe import Recipe

DATA = open_data("scenes", size=(32, 32), train=16, val=4, test=6, kinds=["person"])
POSE = create_task("pose", DATA.info)
RECIPE = Recipe(images=16, batch_size=8, validations=1, threads=1, device="cpu", precision="32-true")


def hourglass(**factors: object) -> EncoderDecoder:
    return create_model("hourglass", **{**POSE.factors, "encoder": "test_resnet", "width": 8, **factors})


@pytest.mark.parametrize(("stacks", "middle"), [(2, 0), (3, 0), (4, 1)])
def test_the_scores_are_those_of_the_stack_in_the_middle(stacks: int, middle: int) -> None:
    build = partial(hourglass, stacks=stacks, supervision="stacks")
    outcome = train(build, DATA, POSE, RECIPE, seed=0)
    model = build().eval()
    model.load_state_dict(load(outcome.files[WEIGHTS]))
    batch = collate([DATA.test[index] for index in range(6)], ("image", *DATA.info.keys(POSE.targets)))
    with torch.no_grad():
        predictions = model.predictions(normalised(batch["image"], MEAN, STD))
    for prefix, output in (("halfway", predictions[middle]), ("test", predictions[-1])):
        metrics = POSE.metrics(torch.device("cpu"))
        metrics.update([output], batch)
        told = {key: value for key, value in outcome.values.items() if key.startswith(f"{prefix}/")}
        assert told == pytest.approx({f"{prefix}/{key}": value for key, value in metrics.compute().items()})
    assert outcome.values["halfway/error_px"] != outcome.values["test/error_px"]


@pytest.mark.parametrize("factors", [{"stacks": 1, "supervision": "stacks"}, {"stacks": 2, "supervision": "last"}])
def test_a_network_without_supervised_stacks_has_none(factors: dict[str, object]) -> None:
    values = train(partial(hourglass, **factors), DATA, POSE, RECIPE, seed=0).values
    assert not [key for key in values if key.startswith("halfway/")]


def test_two_devices_have_the_scores_of_one() -> None:
    factors = {**POSE.factors, "encoder": "test_resnet", "width": 8, "stacks": 2, "supervision": "stacks"}
    build = partial(create_model, "hourglass", **factors)
    one, two = (
        train(build, DATA, POSE, RECIPE.model_copy(update={"devices": devices}), seed=0).values
        for devices in (1, 2)
    )
    assert {key for key in one if key.startswith("halfway/")} == {key for key in two if key.startswith("halfway/")}
    assert two["halfway/error_px"] == pytest.approx(one["halfway/error_px"], rel=0.2)  # added up in another order
