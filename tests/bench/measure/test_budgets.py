"""Budgets: what is counted anew is within 1 %, what is timed within its interval; what cannot be is said."""

import warnings
from typing import Any

import pytest
import torch

from skipbench.archs import ArchSpec, build_model, resolve_spec
from skipbench.bench.errors import BenchError
from skipbench.bench.measure.budgets import UNREACHED, Budget, remarks
from skipbench.bench.measure.latency import LatencyOptions
from skipbench.bench.measure.paced import match_latency
from skipbench.bench.records.budgets import BUDGETS
from skipbench.bench.suites.schema import Match

SIZE = (64, 64)
QUICK = LatencyOptions(
    size=SIZE,
    rounds=2,
    block_s=0,
    warmup=1,
    blocks=3,
    processes=0,
    time_limit_s=0.01,
    threads=1,
    device="cpu",
    margin=0.5,  # on a busy machine, so few passes are far apart
)


def light(model: str, **factors: Any) -> ArchSpec:
    given = {"encoder": "resnet10t_quarter", "strides": (4, 8, 16, 32), "width": 32, "classes": 4}
    return resolve_spec(model, **{**given, **factors})


def by_fvcore(spec: ArchSpec) -> int:
    """Return the MACs that fvcore counts, which traces a network of numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it scripts a function, which torch deprecates
        from fvcore.nn import FlopCountAnalysis

    counted = FlopCountAnalysis(build_model(spec).eval(), torch.zeros(1, 3, *SIZE))
    return int(counted.unsupported_ops_warnings(False).by_operator()["conv"])


def test_macs_are_those_that_fvcore_counts() -> None:
    arms = {model: light(model) for model in ("fpn", "unet", "hourglass", "rectified_gaussian")}
    target = by_fvcore(arms["fpn"])
    for name, found in Budget("macs", SIZE, QUICK, {}).fit(arms, "fpn").fitted.items():
        assert found.target == target
        assert by_fvcore(found.spec) == found.cost
        assert abs(found.deviation) <= 0.01
        assert found.changed == (name != "fpn")


def test_memory_is_the_peak_in_training() -> None:
    arms = {"unet": light("unet"), "fpn": light("fpn", head_stride=None)}
    (unet, fpn) = Budget("memory", SIZE, QUICK, {}).fit(arms, "fpn").fitted.values()
    assert unet.spec.width != 32
    assert fpn.spec == arms["fpn"]
    assert abs(unet.cost / fpn.target - 1) <= 0.01


def test_latency_is_within_the_interval_of_what_was_timed() -> None:
    slow = light("unet", width=160)
    found = match_latency(light("unet", width=4), slow, QUICK)
    assert found.changed
    assert found.interval is not None
    assert found.interval[0] <= 1 <= found.interval[1]
    assert found.interval[0] <= found.cost / found.target <= found.interval[1]
    assert 4 < found.spec.width <= 1024
    with pytest.raises(BenchError, match="unet: no decoder width that was timed has the latency that is asked for"):
        Budget("latency", SIZE, QUICK, {}).fit({"unet": light("unet", width=4)}, 1e-6)


def test_a_width_that_an_earlier_session_found_is_taken() -> None:
    unet, fpn = light("unet"), light("fpn")
    asked = Budget("latency", SIZE, QUICK, {})
    known = Budget("latency", SIZE, QUICK, {asked.question(unet, fpn): [20, 21, 22, 23]})
    assert known.fit({"unet": unet, "fpn": fpn}, "fpn").fitted["unet"].spec.width == (20, 21, 22, 23)
    assert asked.question(unet, fpn) != asked.question(unet, 3.0)


def test_an_arm_that_cannot_be_brought_there_is_named() -> None:
    budget = Budget("params", SIZE, QUICK, {})
    with pytest.raises(
        BenchError, match=r"^unet: no decoder width brings it within 1 % of 1,000 parameters: at width 1"
    ):
        budget.fit({"unet": light("unet")}, 1000)
    with pytest.raises(BenchError, match=r"match\.to: unknown arm 'fpm'\. Did you mean 'fpn'"):
        budget.fit({"unet": light("unet"), "fpn": light("fpn")}, "fpm")


def test_one_arm_that_cannot_be_brought_there_is_left_out_while_two_are() -> None:
    budget = Budget("params", SIZE, QUICK, {})
    small = {"unet": light("unet", width=8), "fpn": light("fpn", width=8)}
    heavy = light("fpn", encoder="resnet18")
    fits = budget.fit({**small, "heavy": heavy}, "fpn")
    assert list(fits.fitted) == ["unet", "fpn"]
    assert fits.missed["heavy"].startswith("no decoder width brings it within 1 % of ")
    with pytest.raises(BenchError, match=r"^heavy: no decoder width brings it within 1 % of"):
        budget.fit({"fpn": small["fpn"], "heavy": heavy}, "fpn")


def test_a_width_that_an_earlier_session_did_not_find_is_not_looked_for_again() -> None:
    unet, fpn = light("unet"), light("fpn")
    asked = Budget("latency", SIZE, QUICK, {})
    known = {asked.question(unet, 1.0): UNREACHED, asked.question(fpn, 1.0): 8}
    fits = Budget("latency", SIZE, QUICK, known).fit({"unet": unet, "fpn": fpn, "same": fpn}, 1.0)
    assert fits.missed == {"unet": "an earlier session found no decoder width that has the latency asked for."}
    assert fits.fitted["fpn"].spec.width == 8


def test_what_is_chosen_is_said_with_what_lies_outside_the_encoder() -> None:
    budget = Budget("macs", SIZE, QUICK, {})
    unet = budget.fit({"unet": light("unet"), "fpn": light("fpn")}, "fpn").fitted["unet"]
    outside = by_fvcore(unet.spec) - by_fvcore_of_encoder(unet.spec)
    said = budget.chosen(unet, "what fpn has")
    assert said.startswith("width 32 became ")
    amounts = f" ({unet.cost / 1e6:.3f} M MACs, {outside / 1e6:.3f} M MACs of it outside the encoder), "
    assert amounts in said
    assert said.endswith(" % against what fpn has.")


def by_fvcore_of_encoder(spec: ArchSpec) -> int:
    from fvcore.nn import FlopCountAnalysis

    counted = FlopCountAnalysis(build_model(spec).eval().encoder, torch.zeros(1, 3, *SIZE))
    return int(counted.unsupported_ops_warnings(False).by_operator()["conv"])


def test_groups_that_a_width_changes_are_told() -> None:
    budget = Budget("params", SIZE, QUICK, {})
    arms = {"fpn": light("fpn", norm="group"), "unet": light("unet", norm="group")}
    unet = budget.fit(arms, "fpn").fitted["unet"]
    assert unet.spec.width % 32
    assert remarks(unet)[0].endswith(" groups at this width, and 32 at its own.")
    assert not remarks(budget.fit(arms, "fpn").fitted["fpn"])


def test_a_suite_offers_every_budget_that_there_is() -> None:
    assert set(Match.model_fields["by"].annotation.__args__) == set(BUDGETS)
