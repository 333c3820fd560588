"""MONAI's and nnU-Net's U-Nets, against what the originals gave (benchmarks/write_references.py)."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from skipbench import archs

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "references.json").read_text())
Weights = Callable[[dict[str, Any]], dict[str, torch.Tensor]]
ALL = [pytest.param(case.partition(": ")[0], known, id=case) for case, known in GOLDEN.items()]


@pytest.fixture
def state_of(formula: ModuleType) -> Weights:
    """Return the weights that the original was run with, under all of its names."""
    return lambda known: {
        name: formula.made(known["copies"].get(name, name), shape) for name, shape in known["shapes"].items()
    }


def of_layout(layout: str, kind: str = "") -> dict[str, Any]:
    return next(known for case, known in GOLDEN.items() if case.startswith(f"{layout}: {kind}"))


@pytest.mark.parametrize(("layout", "known"), ALL)
def test_outputs_and_parameters_are_the_originals(
    layout: str, known: dict[str, Any], state_of: Weights, formula: ModuleType
) -> None:
    converted = archs.from_reference(state_of(known), layout=layout)
    assert converted.unused == converted.untrained == []
    assert sum(parameter.numel() for parameter in converted.model.parameters()) == known["parameters"]
    model, image = converted.model.eval(), formula.made("image", known["image"])
    with torch.no_grad():
        outputs = model.predictions(image)[::-1]
    assert torch.equal(outputs[0], model(image))
    for wanted, output in zip(
        known["outputs"], outputs, strict=False
    ):  # a head that is not trained may be there too
        assert formula.probes(output) == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_deep_supervision_is_a_prediction_of_every_decoder_level(state_of: Weights, formula: ModuleType) -> None:
    known = of_layout("nnunet-plainconv", "deep")
    model = archs.from_reference(state_of(known), layout="nnunet-plainconv").model
    shapes = [tuple(x.shape[2:]) for x in model.predictions(formula.made("image", known["image"]))]
    assert shapes == [(8, 12), (16, 24), (32, 48)]
    assert len(known["outputs"]) == 3


def test_what_no_tensor_tells_is_said_and_can_be_chosen(state_of: Weights) -> None:
    known = of_layout("monai-unet", "no residual")
    state = {name: x for name, x in state_of(known).items() if ".A." not in name}
    converted = archs.from_reference(state, layout="monai-unet")
    assert converted.assumed == ["steps=[2, 2, 2, 1]", "norm=instance_bare", "activation=relu"]
    chosen = archs.from_reference(state, layout="monai-unet", activation="leaky_relu", norm="none")
    assert chosen.assumed == ["steps=[2, 2, 2, 1]"]
    assert (chosen.model.spec.activation, chosen.model.spec.norm) == ("leaky_relu", "none")


@pytest.mark.parametrize(
    ("layout", "name", "shape", "words"),
    [
        ("monai-unet", "model.0.conv.unit0.conv.weight", (8, 1, 3, 3, 3), "3 dimensions instead of two"),
        ("monai-unet", "model.0.conv.unit0.conv.weight", (8, 1, 5, 5), "5x5 convolutions"),
        ("monai-unet", "model.0.residual.weight", (8, 1, 1, 1), "a level of the same stride as the one before"),
        ("monai-unet", "model.0.conv.unit0.adn.A.weight", (8,), "a slope for every channel"),
        ("nnunet-plainconv", "decoder.transpconvs.0.weight", (24, 24, 2, 1), "strides that differ between height"),
        ("nnunet-plainconv", "encoder.stages.0.blocks.0.conv1.conv.weight", (8, 3, 3, 3), "residual stages"),
    ],
)
def test_a_variant_without_a_factor_is_refused_with_what_is_missing(
    layout: str, name: str, shape: tuple[int, ...], words: str, state_of: Weights
) -> None:
    state = {**state_of(of_layout(layout, "two" if layout == "monai-unet" else "deep")), name: torch.ones(shape)}
    with pytest.raises(archs.CheckpointError, match=f"its tensor '{name}' is of {words}.*has no factor") as error:
        archs.from_reference(state, layout=layout)
    assert "\n" not in str(error.value)


def test_a_weight_that_is_filed_twice_has_one_value(state_of: Weights) -> None:
    state = state_of(of_layout("nnunet-plainconv", "deep"))
    second = "decoder.encoder.stages.1.0.convs.0.conv.weight"
    bare = {name: x for name, x in state.items() if name not in of_layout("nnunet-plainconv", "deep")["copies"]}
    assert archs.from_reference(bare, layout="nnunet-plainconv").unused == []
    with pytest.raises(archs.CheckpointError, match=rf"'{second[8:]}' and '{second}' are one weight of two values"):
        archs.from_reference({**state, second: state[second] + 1}, layout="nnunet-plainconv")
    with pytest.raises(
        archs.CheckpointError, match=r"it has no tensor 'decoder\.transpconvs\.2\.weight', which all"
    ):
        archs.from_reference({n: x for n, x in bare.items() if "transpconvs.2" not in n}, layout="nnunet-plainconv")
