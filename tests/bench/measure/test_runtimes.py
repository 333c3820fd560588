"""Runtimes: each gives what eager torch gives, as near as its precision allows, or says why it can't."""

import time
from multiprocessing.process import BaseProcess

import pytest
import torch
from torch import nn

from skipbench.archs import create_model
from skipbench.bench.measure.runtimes import RUNTIMES, fold_norms, prepare
from skipbench.bench.measure.timing import SETTLE_S
from skipbench.bench.training.machine import MachineError, use_threads

IMAGES = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
WAYS = [
    (name, precision, memory_format)
    for name in RUNTIMES.names()
    for precision in RUNTIMES[name].precisions
    for memory_format in RUNTIMES[name].memory_formats
    if name != "compiled" or precision == "32-true"  # a compilation takes half a minute
]
TOLERANCES = {"32-true": 1e-4, "bf16-mixed": 2e-2, "int8": 0.1}


class Small(nn.Module):
    """Two convolutions with norms, of which the first convolution's output is used once more."""

    def __init__(self, reused: bool = False) -> None:
        super().__init__()
        self.reused = reused
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.second, self.last = nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8)
        for norm in (self.norm, self.last):
            nn.init.uniform_(norm.weight, 0.5, 2)
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        made = self.first(images)
        fine = self.second(torch.relu(self.norm(made)))
        return self.last(self.second(fine) if self.reused else fine)


@pytest.fixture
def small() -> nn.Module:
    torch.manual_seed(0)
    return Small().eval()


@pytest.mark.parametrize(("name", "precision", "memory_format"), WAYS)
def test_a_runtime_gives_what_eager_torch_gives(small, name: str, precision: str, memory_format: str) -> None:
    if not RUNTIMES[name].available():
        pytest.skip(f"{name} is not installed")
    with torch.inference_mode():
        wanted = small(IMAGES)
        got = prepare(small, IMAGES, name, precision, memory_format)(IMAGES)
    assert got.shape == wanted.shape
    assert (got.float() - wanted).norm() / wanted.norm() < TOLERANCES[precision]


@pytest.mark.parametrize("name", [name for name in RUNTIMES.names() if name != "compiled"])
def test_a_runtime_leaves_the_machine_to_the_next(small, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[BaseProcess] = []
    monkeypatch.setattr(BaseProcess, "start", lambda process: started.append(process))
    if not RUNTIMES[name].available():
        pytest.skip(f"{name} is not installed")
    with use_threads(2), torch.inference_mode():
        forward = prepare(small, IMAGES, name, "32-true", "contiguous")
        forward(IMAGES)
        time.sleep(SETTLE_S)
        own = time.process_time()
        time.sleep(0.05)
    assert time.process_time() - own < 0.01, "its threads still spin"
    assert started == [], "such as those that tell its maker what it is used for"


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


def test_folding_removes_the_norms_that_follow_a_convolution_and_no_others(small) -> None:
    with torch.inference_mode():
        folded = fold_norms(small, IMAGES)
        assert norms(folded) == 0
        assert norms(small) == 2
        torch.testing.assert_close(folded(IMAGES), small(IMAGES))
        twice = Small(reused=True).eval()
        assert norms(fold_norms(twice, IMAGES)) == 1, "a convolution that runs twice feeds more than its norm"
        torch.testing.assert_close(fold_norms(twice, IMAGES)(IMAGES), twice(IMAGES))


@pytest.mark.parametrize("model", ["unet", "hourglass", "fpn", "rectified_gaussian"])
def test_folding_leaves_the_output_of_every_controlled_model(model: str) -> None:
    network = create_model(model, encoder_name="resnet18", width=8).eval()
    with torch.inference_mode():
        folded = fold_norms(network, IMAGES)
        torch.testing.assert_close(folded(IMAGES), network(IMAGES), rtol=1e-4, atol=1e-5)
    assert norms(folded) < norms(network)


def test_what_a_runtime_does_not_know_or_lacks_is_said_in_words(small, monkeypatch) -> None:
    with pytest.raises(MachineError, match=r"runtime 'onnxruntime' does not run with precision 'bf16-mixed'"):
        prepare(small, IMAGES, "onnxruntime", "bf16-mixed", "contiguous")
    with pytest.raises(MachineError, match=r"'openvino' does not run with memory format 'channels_last'"):
        prepare(small, IMAGES, "openvino", "32-true", "channels_last")
    monkeypatch.setattr(RUNTIMES["openvino"], "packages", ("not_installed_here",))
    with pytest.raises(MachineError, match=r"needs not_installed_here: pip install skipbench\[openvino\]"):
        prepare(small, IMAGES, "openvino", "32-true", "contiguous")
