"""What every layout of public checkpoints must keep."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

import archs

Strict = Callable[[archs.EncoderDecoder, Mapping[str, Any], str], None]


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
