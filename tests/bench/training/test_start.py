"""The start of training: logits of one scale and a first loss near chance, whatever the network."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from skipbench import archs
from skipbench.bench.data import Boxes, Data, DataInfo, Joints, Mask, open_data
from skipbench.bench.data.loading import Batch, collate
from skipbench.bench.tasks import TASKS, Task, create_task
from skipbench.bench.training.start import look, scale_logits

MODELS = [name for name in archs.list_models() if "." not in name]
FACTORS = {"encoder": "test_resnet", "width": 8}
TASK = {"detection": {"head": "fcos_light", "out": "conv3x3", "strides": (2, 4, 8)}}  # what serves small networks
INFO = DataInfo("pixels", (32, 32), {}, "", (Mask(("a", "b", "c")), Boxes(("box",)), Joints(("tip",))))


@cache
def scenes() -> Data:
    return open_data("scenes", size=(32, 32), train=40, val=1, test=1)


def batch(task: Task) -> Batch:
    """Return four images that show figures, ready for a network."""
    data = scenes().train
    shown = [data[index] for index in range(40) if len(data[index]["joints"])][:4]
    found = collate(shown, ("image", *task.info.keys(task.targets)))
    return found | {"image": (found["image"].float() - 128) / 64}


def build(model: str, task: Task, name: str, **factors: object) -> nn.Module:
    torch.manual_seed(0)
    given = {**task.factors, **TASK.get(name, {}), **FACTORS, **factors}
    return archs.build_model(archs.resolve_spec(model, **given))


def distances(model: nn.Module, task: Task, image: Tensor) -> list[float]:
    """Return the root mean square of each supervised prediction's distance from neutral."""
    with torch.no_grad():
        predictions = model.train().predictions(image)
    return [(each - task.neutral(each)).square().mean().sqrt().item() for each in predictions]


def fits(model: str, fusion: str) -> bool:
    """Return whether the model can be built with the fusion: a rectified Gaussian's levels keep their width."""
    try:
        archs.create_model(model, fusion=fusion, **FACTORS)
    except archs.SpecError:
        return False
    return True


@pytest.mark.parametrize("fusion", archs.list_fusions())
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", TASKS.names())
def test_the_first_loss_is_near_chance(name: str, model: str, fusion: str) -> None:
    if not fits(model, fusion):
        pytest.skip(f"{model} has no {fusion}")
    task = create_task(name, scenes().info)
    network, seen = build(model, task, name, fusion=fusion), batch(task)
    scale_logits(network, network.predictions, seen["image"], task)
    values = look(network, network.predictions, seen, task)
    assert values["loss_over_chance"] == pytest.approx(1, abs=0.1)
    assert values["loss"] == task.loss(network.train().predictions(seen["image"]), seen).item()
    assert values["outputs"] == len(network.predictions(seen["image"]))
    assert 0.01 < values["signal_rms"] < 10
    assert 0 < values["decoder_gradient_norm"] < values["gradient_norm"]


@pytest.mark.parametrize("name", TASKS.names())
def test_decoders_start_with_signals_and_gradients_of_one_range(name: str) -> None:
    task, found = create_task(name, scenes().info), []
    seen = batch(task)
    for model in MODELS:
        network = build(model, task, name)
        scale_logits(network, network.predictions, seen["image"], task)
        found.append(look(network, network.predictions, seen, task))
    gradients = [values["decoder_gradient_norm"] for values in found]
    assert max(gradients) < 4 * min(gradients)  # as they are drawn, up to 13 times
    assert all(0.5 < values["signal_rms"] < 6 for values in found)


@pytest.mark.parametrize("encoder", ["resnet10t", "convnext_atto", "mobilenetv3_small_050"])
def test_the_first_loss_is_near_chance_on_other_encoders(encoder: str) -> None:
    task = create_task("segmentation", scenes().info)
    network, seen = build("fpn", task, "segmentation", encoder=encoder), batch(task)
    scale_logits(network, network.predictions, seen["image"], task)
    assert look(network, network.predictions, seen, task)["loss_over_chance"] == pytest.approx(1, abs=0.1)


def test_chance_in_segmentation_is_the_logarithm_of_the_classes() -> None:
    task = create_task("segmentation", INFO)
    mask = torch.randint(3, (2, 32, 32))
    assert task.loss([task.neutral(torch.randn(2, 3, 32, 32))], {"mask": mask}).item() == pytest.approx(math.log(3))


@pytest.mark.parametrize("classes", [2, 6, 11, 150])
def test_segmentation_begins_as_far_above_chance_whatever_the_number_of_classes(classes: int) -> None:
    info = replace(INFO, annotations=(Mask(tuple(f"class {number}" for number in range(classes))),))
    task, random = create_task("segmentation", info), torch.Generator().manual_seed(0)
    mask = torch.randint(classes, (4, 64, 64), generator=random)
    logits = torch.randn(4, classes, 64, 64, generator=random)
    loss = task.loss([logits * task.logit_std(logits)], {"mask": mask}).item()
    assert loss / math.log(classes) == pytest.approx(1.05, abs=0.01)


def test_chance_in_pose_is_1_for_one_joint() -> None:
    task = create_task("pose", INFO)
    joint = {"joints": torch.full((1, 1, 1, 2), 16.0), "visibility": torch.full((1, 1, 1), 2)}
    assert task.loss([task.neutral(torch.randn(1, 1, 8, 8))], joint).item() == pytest.approx(1, abs=0.02)


def test_chance_in_detection_is_what_fcos_prior_costs() -> None:
    task = create_task("detection", INFO)
    boxes = torch.tensor([[[12.0, 12, 20, 20]]])  # one stride around the location (16, 16) of the finest map
    seen = {"boxes": boxes, "labels": torch.zeros(1, 1), "ignored": torch.zeros(1, 1, dtype=torch.bool)}
    found = [torch.randn(1, 6, 8, 8)]
    seen["boxes"] = boxes - 2  # (14, 14) is a location, and the box's centre
    missed = 0.25 * 0.99**2 * -math.log(0.01)  # focal loss at the prior, with alpha .25 and gamma 2
    alarms = 63 * 0.75 * 0.01**2 * -math.log(0.99)
    only = {"centre_radius": 0.5}  # no other location learns the box
    task = create_task("detection", INFO, only)
    assert task.loss([task.neutral(each) for each in found], seen).item() == pytest.approx(
        missed + alarms + math.log(2), rel=1e-4
    )


@pytest.mark.parametrize("name", ["segmentation", "pose"])
def test_more_supervised_outputs_weigh_no_more(name: str) -> None:
    task = create_task(name, scenes().info)
    seen, output = batch(task), torch.randn(4, task.factors["classes"], 32 // task.factors["head_stride"], 32)
    output = output[..., : output.shape[-2]]
    assert task.loss([output] * 4, seen).item() == pytest.approx(task.loss([output], seen).item(), rel=1e-6)


@pytest.mark.parametrize(
    ("model", "factors"),
    [
        ("unet", {}),
        ("fpn", {"share_head": False}),
        ("rectified_gaussian", {}),
        ("hourglass", {"stacks": 3, "supervision": "stacks"}),
        ("hourglass", {"stacks": 2, "share_stacks": True}),
        ("fpn", {"head_levels": "merged", "supervision": "last"}),
    ],
)
@pytest.mark.parametrize("name", ["segmentation", "pose"])
def test_every_supervised_output_starts_at_the_tasks_distance(name: str, model: str, factors: dict) -> None:
    task = create_task(name, scenes().info)
    network, seen = build(model, task, name, **factors), batch(task)
    scale_logits(network, network.predictions, seen["image"], task)
    output = network.predictions(seen["image"])[-1]
    wanted = task.logit_std(output)
    assert distances(network, task, seen["image"]) == pytest.approx(
        [wanted] * len(network.predictions(seen["image"])), rel=0.05
    )


def test_summed_levels_have_equal_shares() -> None:
    task = create_task("segmentation", scenes().info)
    network, seen = build("rectified_gaussian", task, "segmentation"), batch(task)
    scale_logits(network, network.predictions, seen["image"], task)
    maps = network.train().features(seen["image"])
    shares = [predict(x).std().item() for predict, x in zip(network.stages[0].head.predictors, maps, strict=True)]
    assert len(shares) == 5
    assert max(shares) < 1.6 * min(shares)


@pytest.mark.parametrize("name", TASKS.names())
@pytest.mark.parametrize("model", MODELS)
def test_how_the_head_was_drawn_does_not_matter(name: str, model: str) -> None:
    task, states = create_task(name, scenes().info), []
    for factor in (1, 8):
        network = build(model, task, name)
        for parameter, value in network.named_parameters():
            if ".head." in parameter and value.ndim > 1 and ("tower" not in parameter):
                value.data *= factor  # a power of two: nothing is rounded
        scale_logits(network, network.predictions, batch(task)["image"], task)
        states.append(network.state_dict())
    for key, value in states[0].items():
        torch.testing.assert_close(value, states[1][key], rtol=1e-4, atol=1e-6)


def test_nothing_but_the_last_layers_is_changed() -> None:
    task = create_task("detection", scenes().info)
    network = build("fpn", task, "detection", head_dropout=0.5).eval()
    before, state = {key: value.clone() for key, value in network.state_dict().items()}, torch.get_rng_state()
    scale_logits(network, network.predictions, batch(task)["image"], task)
    look(network, network.predictions, batch(task), task)
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    layers = [f"stages.0.head.predictors.0.{part}" for part in ("class_logits", "box")]
    assert changed == {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module.training for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


class Plain(nn.Module):
    """Somebody else's network: two convolutions, and functions after the last."""

    def __init__(self, last: Callable[[nn.Module], None] = lambda layer: None) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, 2, 1)
        self.last = nn.Conv2d(8, 6, 1)
        last(self.last)

    def predictions(self, image: Tensor) -> list[Tensor]:
        logits = self.last(torch.relu_(self.first(image)))
        return [nn.functional.interpolate(logits, scale_factor=2) * 3]


def test_any_network_is_scaled() -> None:
    task = create_task("segmentation", scenes().info)
    network, seen = Plain(lambda layer: nn.init.zeros_(layer.bias)), batch(task)
    first = network.first.weight.clone()
    scale_logits(network, network.predictions, seen["image"], task)
    wanted = task.logit_std(network.predictions(seen["image"])[0])
    assert distances(network, task, seen["image"]) == pytest.approx([wanted], rel=1e-4)
    assert torch.equal(network.first.weight, first)
    found = look(network, network.predictions, seen, task)
    assert found.keys() == {"loss", "loss_over_chance", "gradient_norm", "outputs"}
    assert found["outputs"] == 1


def test_a_last_layer_of_zeros_stays_so() -> None:
    task = create_task("segmentation", scenes().info)
    network, seen = Plain(lambda layer: [nn.init.zeros_(each) for each in layer.parameters()]), batch(task)
    scale_logits(network, network.predictions, seen["image"], task)
    assert not network.last.weight.any()
    assert look(network, network.predictions, seen, task)["loss_over_chance"] == pytest.approx(1)
