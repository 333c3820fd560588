"""`deploy`: every way that runs is a row with its error, and what is named agrees with eager torch."""

import json
from functools import partial
from typing import Any

import pytest

from skipbench.archs import create_model
from skipbench.bench.attempt import Failure
from skipbench.bench.cli.deploy import _fastest
from skipbench.bench.measure.deploy import agrees, try_out, ways
from skipbench.bench.measure.latency import LatencyOptions
from skipbench.bench.measure.runtimes import RUNTIMES

SMALL = ("--encoder", "test_resnet", "--img-size", "32x48", "--set", "width=8")
QUICK = ("--blocks", 3, "--processes", 0, "--time-limit", 0.01, "--device", "cpu")


@pytest.mark.parametrize(
    ("precision", "error", "agreed"),
    [
        ("32-true", 1e-4, True),
        ("32-true", 2e-4, False),
        ("32-true", float("nan"), False),
        ("bf16-mixed", 1e-2, True),
        ("int8", 0.0, False),
    ],
)
def test_agreement_depends_on_the_precision(precision: str, error: float, agreed: bool) -> None:
    assert agrees(precision, error) is agreed


def test_the_first_way_is_eager_torch_as_it_is_and_every_other_is_there_once() -> None:
    found = ways(partial(create_model, "fpn"), "cpu")
    first, *_ = found.items()
    assert first[0] == "eager"
    assert (first[1].precision, first[1].memory_format) == ("32-true", "contiguous")
    kinds = {(each.runtime, each.precision, each.memory_format) for each in found.values()}
    assert len(kinds) == len(found)
    assert {each.runtime for each in found.values()} == {
        name for name in RUNTIMES.names() if RUNTIMES[name].available()
    }
    assert {each.runtime for each in ways(partial(create_model, "fpn"), "cuda").values()} == {
        "eager",
        "folded",
        "compiled",
    }


def test_a_way_that_does_not_run_is_left_out_with_its_reason() -> None:
    options = LatencyOptions(size=(32, 32), device="cpu")
    found = ways(partial(create_model, "fpn", encoder_name="test_resnet", width=-1), "cpu", ["eager"])
    failures = try_out(found, options)
    assert set(failures) == set(found)
    assert all(isinstance(failure, Failure) for failure in failures.values())


def test_deploy_gives_every_way_with_its_error_and_names_the_fastest(skipbench: Any) -> None:
    command = ("deploy", "fpn", *SMALL, *QUICK, "--runtime", "eager", "--runtime", "folded")
    rows = json.loads(skipbench(*command, "--format", "json").out)
    assert [row["way"] for row in rows][:2] == ["eager", "eager, channels_last"]
    assert {row["runtime"] for row in rows} == {"eager", "folded"}
    for row in rows:
        assert row["error/to_eager"] <= (1e-4 if row["precision"] == "32-true" else 0.05)
    outcome = skipbench(*command)
    assert outcome.code == 0, outcome.err
    for words in ("speed-up", "error to eager", "agrees", "fpn, 32-true: ", "fpn, bf16-mixed: "):
        assert words in outcome.out


def test_the_fastest_named_agrees_and_is_told_apart() -> None:
    def row(way: str, ratio: float, error: float, verdict: str = "faster", precision: str = "32-true") -> dict:
        edges = {"low": ratio * 0.9, "high": ratio * 1.1, "error/to_eager": error, "verdict": verdict}
        return {"model": "m", "way": way, "precision": precision, "ratio": ratio, **edges}

    eager = row("eager", 1.0, 0.0, "reference")
    said = _fastest([eager, row("wrong", 0.2, 1e-3), row("right", 0.5, 1e-5), row("slower", 0.8, 0)])
    assert said[0] == (
        "m, 32-true: right is the fastest that agrees, 2.00 times as fast as eager (95 % interval 1.82 to 2.22), "
        "error 1.0e-05."
    )
    assert said[1] == "m, bf16-mixed: no runtime that agrees with eager is faster."
    assert "no runtime that agrees" in _fastest([eager, row("maybe", 0.9, 0, "open")])[0]
