"""Latency: rounds interleave all networks, samples stay raw, the summary is that of numpy and a bootstrap."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats
from torch import nn

from bench.latency import LatencyOptions, measure_latency, summarise
from bench.machine import MachineError

TINY = LatencyOptions(rounds=6, warmup=2, size=(8, 12), batch_size=2, device="cpu")


class Logged(nn.Module):
    """Notes its name, what it was given and how, each time it runs."""

    def __init__(self, name: str, log: list) -> None:
        super().__init__()
        self.name, self.log = name, log
        self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits = self.conv(image)
        self.log.append((self.name, image, logits.dtype, self.training, torch.get_num_threads()))
        return logits


def run(options: LatencyOptions, names: str = "abc") -> tuple[dict, list]:
    log: list = []
    return measure_latency({name: Logged(name, log) for name in names}, options), log


def test_each_round_runs_every_network_once_in_a_random_order() -> None:
    _, log = run(TINY)
    names = [entry[0] for entry in log]
    rounds = ["".join(names[start : start + 3]) for start in range(0, len(names), 3)]
    assert len(rounds) == TINY.warmup + TINY.rounds
    assert all(sorted(each) == list("abc") for each in rounds)
    assert len(set(rounds)) > 1


def test_the_order_is_that_of_the_seed() -> None:
    orders = [[entry[0] for entry in run(TINY.model_copy(update={"seed": seed}))[1]] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_samples_are_kept_raw_without_the_warm_up() -> None:
    results, _ = run(TINY)
    for latency in results.values():
        assert len(latency.samples) == TINY.rounds
        assert min(latency.samples) > 0
        assert latency.values == summarise(latency.samples, batch_size=2, seed=0)


def test_options_reach_the_network_and_the_settings() -> None:
    options = TINY.model_copy(update={"precision": "bf16-mixed", "memory_format": "channels_last", "threads": 2})
    threads = torch.get_num_threads()
    results, log = run(options, "a")
    _, image, dtype, training, used = log[-1]
    assert image.shape == (2, 3, 8, 12)
    assert image.is_contiguous(memory_format=torch.channels_last)
    assert (dtype, training, used) == (torch.bfloat16, False, 2)
    assert torch.get_num_threads() == threads
    settings = results["a"].settings
    wanted = {"precision": "bf16-mixed", "memory_format": "channels_last", "threads": 2, "device": "cpu"}
    assert settings | wanted == settings


def test_the_summary_is_that_of_numpy_and_scipy() -> None:
    samples = list(np.random.default_rng(3).gamma(4, 2, size=40))
    values = summarise(samples, batch_size=4, seed=7)
    assert values["latency_ms/median"] == pytest.approx(np.median(samples))
    assert values["latency_ms/p10"] == pytest.approx(np.quantile(samples, 0.1))
    assert values["latency_ms/p90"] == pytest.approx(np.quantile(samples, 0.9))
    assert values["throughput/images_per_s"] == pytest.approx(4000 / np.median(samples))
    rank = stats.binom.ppf([0.025, 0.975], 40, 0.5).astype(int)  # the distribution-free interval of a median
    low, high = np.sort(samples)[rank]
    assert values["latency_ms/low"] == pytest.approx(low, rel=0.1)
    assert values["latency_ms/high"] == pytest.approx(high, rel=0.1)
    assert values == summarise(samples, batch_size=4, seed=7)


def test_equal_samples_have_an_interval_of_no_width() -> None:
    values = summarise([5.0] * 10, batch_size=1, seed=0)
    assert values["latency_ms/low"] == values["latency_ms/high"] == 5.0


@pytest.mark.parametrize("wrong", [{"rounds": 1}, {"batch_size": 0}, {"size": (0, 8)}, {"thread": 2}])
def test_wrong_options_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        LatencyOptions(**wrong)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said_in_words() -> None:
    with pytest.raises(MachineError, match="torch finds no GPU here; use 'cpu' or 'auto'"):
        run(TINY.model_copy(update={"device": "cuda"}))
