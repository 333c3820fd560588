"""Latency: blocks of fresh builds, rounds that interleave all networks, samples kept raw, sessions that end."""

import time
from functools import partial

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from skipbench.archs import create_model
from skipbench.bench.errors import BenchError
from skipbench.bench.measure.latency import LatencyOptions, Session, measure_latency, summarise
from skipbench.bench.measure.timing import Timed
from skipbench.bench.records import Block, Outcome
from skipbench.bench.records.blocks import geometric, medians
from skipbench.bench.training.machine import MachineError

FEW = {"rounds": 4, "block_s": 0, "warmup": 2, "blocks": 3, "processes": 0, "time_limit_s": 1e-3}
TINY = LatencyOptions(**FEW, size=(8, 12), batch_size=2, device="cpu")


class Logged(nn.Module):
    """Notes its name, what it was given and how, each time it runs."""

    def __init__(self, name: str, log: list) -> None:
        super().__init__()
        self.name, self.log = name, log
        self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits = self.conv(image)
        self.log.append((self.name, image, logits.dtype, self.training, torch.get_num_threads(), self))
        return logits


def run(options: LatencyOptions, names: str = "abc") -> tuple[dict[str, Outcome], list]:
    log: list = []
    return measure_latency({name: options.contender(partial(Logged, name, log)) for name in names}, options), log


def timed(log: list, names: int = 3, checks: int = 2) -> list[list[str]]:
    """Return the names of each block's rounds, without the two passes per build that compare outputs."""
    order, each = [entry[0] for entry in log], names * (checks + TINY.warmup + TINY.rounds)
    return [order[start + names * checks : start + each] for start in range(0, len(order), each)]


def test_each_round_runs_every_network_once_in_a_random_order() -> None:
    _, log = run(TINY)
    blocks = timed(log)
    assert len(blocks) == TINY.blocks
    rounds = ["".join(block[start : start + 3]) for block in blocks for start in range(0, len(block), 3)]
    assert len(rounds) == TINY.blocks * (TINY.warmup + TINY.rounds)
    assert all(sorted(each) == list("abc") for each in rounds)
    assert len(set(rounds)) > 1


def test_every_block_builds_every_network_anew() -> None:
    _, log = run(TINY)
    assert len({entry[-1] for entry in log}) == TINY.blocks * 3


@pytest.mark.parametrize("runtime", ["eager", "folded", "onnxruntime"])
def test_a_network_that_predicts_at_all_levels_is_timed_and_compared(runtime: str) -> None:
    options = TINY.model_copy(update={"runtime": runtime, "size": (32, 32)})
    factors = {"encoder": "test_resnet", "width": 8, "outputs": "levels", "head_stride": None}
    results = measure_latency({"fpn": options.contender(partial(create_model, "fpn", **factors))}, options)
    assert len(results["fpn"].samples) == TINY.blocks * TINY.rounds
    assert 0 <= results["fpn"].values["error/to_eager"] < 1e-4


def test_the_order_is_that_of_the_seed_and_is_stored() -> None:
    runs = [run(TINY.model_copy(update={"seed": seed})) for seed in (0, 0, 1)]
    orders = [[entry[0] for entry in log] for _, log in runs]
    assert orders[0] == orders[1] != orders[2]
    results, log = runs[0]
    for number, block in enumerate(timed(log)):
        kept = block[3 * TINY.warmup :]
        for name, latency in results.items():
            positions = [kept[start : start + 3].index(name) for start in range(0, len(kept), 3)]
            assert latency.blocks[number].positions == positions


def test_samples_are_kept_raw_without_the_warm_up() -> None:
    results, _ = run(TINY)
    for latency in results.values():
        assert len(latency.samples) == TINY.blocks * TINY.rounds
        assert min(latency.samples) > 0
        values = summarise(latency.samples, latency.blocks, TINY)
        assert latency.values == values | {"error/to_eager": 0.0}


def test_rounds_go_on_for_as_long_as_a_block_takes_at_least() -> None:
    start = time.perf_counter()
    run(TINY.model_copy(update={"block_s": 0.2}), "a")
    assert time.perf_counter() - start > TINY.blocks * 0.2


def test_options_reach_the_network_and_the_settings() -> None:
    options = TINY.model_copy(update={"precision": "bf16-mixed", "memory_format": "channels_last", "threads": 2})
    threads = torch.get_num_threads()
    results, log = run(options, "a")
    _, image, dtype, training, used, _ = log[-1]
    assert image.shape == (2, 3, 8, 12)
    assert image.is_contiguous(memory_format=torch.channels_last)
    assert (dtype, training, used) == (torch.bfloat16, False, 2)
    assert torch.get_num_threads() == threads
    settings = results["a"].settings
    wanted = {"precision": "bf16-mixed", "memory_format": "channels_last", "threads": 2, "device": "cpu"}
    assert settings | wanted == settings
    assert 0 < results["a"].values["error/to_eager"] < 0.01


def test_the_summary_is_that_of_the_blocks() -> None:
    results, _ = run(TINY, "a")
    samples = np.random.default_rng(3).gamma(40, 0.2, TINY.blocks * TINY.rounds)
    values = summarise(list(samples), results["a"].blocks, TINY)
    center, low, high = geometric(medians(samples, results["a"].blocks))
    assert [values[f"latency_ms/{name}"] for name in ("median", "low", "high")] == [center, low, high]
    assert values["latency_ms/p10"] == pytest.approx(np.quantile(samples, 0.1))
    assert values["latency_ms/p90"] == pytest.approx(np.quantile(samples, 0.9))
    assert values["throughput/images_per_s"] == pytest.approx(2000 / center)


def test_a_session_ends_when_it_is_precise_or_at_its_time_limit_and_says_which() -> None:
    precise, _ = run(TINY.model_copy(update={"precise_to": 1e6, "time_limit_s": 60}))
    late, _ = run(TINY.model_copy(update={"precise_to": 1e-9, "time_limit_s": 0.1}))
    assert TINY.blocks <= len(precise["a"].blocks) <= 2 * TINY.blocks
    assert precise["a"].settings["ended_by"] == "precision"
    assert late["a"].settings["ended_by"] == "time limit"
    assert any("the time limit of 0.1 s was reached before" in note for note in late["a"].notes)
    assert not any("time limit" in note for note in precise["a"].notes)


def test_disturbed_blocks_are_left_out_or_the_notes_say_why_not() -> None:
    def session(*others: float) -> Outcome:
        blocks = [
            Block(started_at="", process=0, positions=[0] * 4, calibration_ms=1, others_cores=each)
            for each in others
        ]
        timed = [{"a": Timed(block, [1.0 + block.others_cores] * 4, 0.0, 1)} for block in blocks]
        return Session(timed, "a", TINY).latency("a", TINY.contender(nn.Identity), {})

    assert session(0, 0, 0, 2).notes[0].startswith("1 of 4 blocks were disturbed")
    assert session(0, 0, 0, 2).notes[0].endswith("they are left out.")
    assert session(0, 0, 0, 2).values["latency_ms/median"] == 1
    assert session(0, 0, 2, 2).notes[0].endswith("so they are kept.")
    assert session(0, 0, 2, 2).values["latency_ms/median"] == pytest.approx(3**0.5)
    assert session(0, 0, 0).notes == []


def test_blocks_run_in_fresh_processes_that_take_turns() -> None:
    options = TINY.model_copy(update={"processes": 2, "size": (32, 32)})
    build = partial(create_model, "fpn", encoder_name="test_resnet", width=8)
    results = measure_latency({"a": options.contender(build), "b": options.contender(build)}, options)
    assert [block.process for block in results["a"].blocks] == [0, 1, 0]
    assert results["a"].settings["threads"] == torch.get_num_threads()


@pytest.mark.parametrize(
    "wrong", [{"rounds": 1}, {"batch_size": 0}, {"size": (0, 8)}, {"thread": 2}, {"blocks": 2}]
)
def test_wrong_options_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        LatencyOptions(**wrong)


def test_a_reference_that_is_none_of_the_arms_is_said_in_words() -> None:
    with pytest.raises(BenchError, match=r"latency\.reference: unknown arm 'd'\. Choices: a, b, c"):
        run(TINY.model_copy(update={"reference": "d"}))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said_in_words() -> None:
    with pytest.raises(MachineError, match="torch finds no GPU; use 'cpu' or 'auto'"):
        run(TINY.model_copy(update={"device": "cuda"}))
