"""The small networks that several files test, and what every layout of public checkpoints must keep."""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from skipbench import archs

Strict = Callable[[archs.EncoderDecoder, Mapping[str, Any], str], None]


def beside(name: str) -> ModuleType:
    """Return the module in the file of that name in this folder."""
    spec = importlib.util.spec_from_file_location(f"beside_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def models() -> ModuleType:
    """Return test_models.py, whose table makes every preset small: a new preset gets its row there alone."""
    return beside("test_models")


@pytest.fixture(scope="session")
def formula() -> ModuleType:
    """Return formula.py, which makes weights of their names."""
    return beside("formula")


@pytest.fixture(scope="session")
def small(models: ModuleType) -> Callable[..., archs.EncoderDecoder]:
    """Return a function from a preset's name, and factors to override, to a small network."""
    build: Callable[..., archs.EncoderDecoder] = models.small
    return build


@pytest.fixture(scope="session")
def shaken() -> Callable[[nn.Module], nn.Module]:
    """Make a network ready for inference, with norms whose statistics and weights are not those of a fresh one."""

    def shake(network: nn.Module) -> nn.Module:
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for values in (layer.weight, layer.running_var):
                    nn.init.uniform_(values, 0.5, 1.5)
                for values in (layer.bias, layer.running_mean):
                    nn.init.uniform_(values, -0.2, 0.2)
        return network.eval()

    return shake


def refusal(model: archs.EncoderDecoder, state: Mapping[str, Any], layout: str) -> str:
    """Return the one sentence with which a checkpoint is refused, the model being as it was."""
    before = {name: x.clone() for name, x in model.state_dict().items()}
    with pytest.raises(archs.CheckpointError) as caught:
        archs.load_reference(model, state, layout=layout)
    assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())
    sentence = str(caught.value)
    assert sentence.startswith(f"cannot load this as '{layout}': ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


@pytest.fixture
def assert_strict() -> Strict:
    """Check that a good checkpoint with one tensor less, one more, or one of another shape is refused."""

    def check(model: archs.EncoderDecoder, state: Mapping[str, Any], layout: str) -> None:
        first, *_, last = [name for name in state if name.endswith(".weight") and state[name].dim() == 4]
        lacking = {name: x for name, x in state.items() if name != first}
        assert "1 of the model's tensors are not in it, first '" in refusal(model, lacking, layout)
        assert "'stem.weight' has no place" in refusal(model, {**state, "stem.weight": torch.ones(1)}, layout)
        wrong = {**state, last: torch.ones(1, 2, 3, 4)}
        assert f"its tensor '{last}' is (1, 2, 3, 4) but the model's '" in refusal(model, wrong, layout)
        twice = {**state, f"module.{last}": state[last]}
        assert f"'module.{last}' has no place" in refusal(model, twice, layout)

    return check
