"""`skipbench match`: the same widths as a table, CSV and JSON, those that a suite would train."""

import csv
import io
import json
from typing import Any

import pytest

from skipbench.archs import ArchSpec, resolve_spec
from skipbench.bench.cli.match import _line, _row
from skipbench.bench.measure.budgets import Budget
from skipbench.bench.measure.cost import cost
from skipbench.bench.measure.latency import LatencyOptions
from skipbench.bench.measure.paced import Fitted

SMALL = ("--encoder", "test_resnet", "--img-size", "32x48", "--set", "width=32", "--classes", 6)


def test_widths_costs_and_deviations_are_the_same_in_every_format(skipbench: Any) -> None:
    command = ("match", "unet", "hourglass", "fpn", *SMALL, "--by", "macs", "--to", "fpn")
    rows = json.loads(skipbench(*command, "--format", "json").out)
    plain = list(csv.DictReader(io.StringIO(skipbench(*command, "--format", "csv").out)))
    shown = skipbench(*command).out
    assert [row["model"] for row in rows] == [row["model"] for row in plain] == ["unet", "hourglass", "fpn"]
    for one, other in zip(rows, plain, strict=True):
        counted = cost(ArchSpec.from_dict(one["spec"]), (32, 48)).values
        assert one["macs"] == one["cost"] == float(other["macs"]) == counted["macs/total"]
        assert one["params"] == counted["params/total"]
        assert abs(one["macs"] / rows[-1]["macs"] - 1) <= 0.01
        assert one["deviation"] == pytest.approx(one["macs"] / rows[-1]["macs"] - 1)
        assert one["outside_encoder"] == counted["macs/total"] - counted["macs/encoder"]
        assert one["spec"]["width"] == one["width"]
        assert f"{one['macs'] / 1e6:.3f}" in shown
    assert [row["width_before"] for row in rows] == [32, 32, 32]
    assert rows[0]["width"] != 32
    assert rows[2]["width"] == 32
    for head in ("model", "width", "matched", "parameters, M", "MACs, M", "deviation", "outside the encoder"):
        assert head in shown.splitlines()[0]


def test_a_number_of_bytes_is_a_budget_too(skipbench: Any) -> None:
    (row,) = json.loads(skipbench("match", "unet", *SMALL, "--by", "memory", "--to", "1e6", "--format", "json").out)
    assert abs(row["cost"] / 1e6 - 1) <= 0.01
    assert "outside_encoder" not in row
    assert " MB" in skipbench("match", "unet", *SMALL, "--by", "memory", "--to", "1e6").out


def test_latency_is_shown_with_its_interval_and_that_of_the_target_not_at_all(skipbench: Any) -> None:
    spec = resolve_spec("unet", encoder="test_resnet", width=32)
    wide = spec.model_copy(update={"width": (40, 41, 40, 40, 40)})
    budget = Budget("latency", (32, 48), LatencyOptions(), {})
    row = _row("unet", Fitted(spec, wide, 5.05, 5.0, (0.98, 1.04)), budget)
    assert (row["width_before"], row["width"], row["cost"], row["target"]) == (32, [40, 41, 40, 40, 40], 5.05, 5.0)
    assert (row["deviation"], row["low"], row["high"]) == pytest.approx((0.01, -0.02, 0.04))
    line = _line(row, budget)
    assert line["matched"] == "[40, 41, 40, 40, 40]"
    assert (line["latency"], line["deviation"], line["95 % interval"]) == (
        "5.050 ms",
        "+1.00 %",
        "−2.00 % to +4.00 %",
    )
    (target,) = json.loads(
        skipbench("match", "fpn", *SMALL, "--by", "latency", "--to", "fpn", "--format", "json").out
    )
    assert target["width"] == 32
    assert not {"cost", "target", "deviation", "low"} & set(target)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--by", "flops", "--to", "fpn"),
            "match.by is 'flops', expected 'params', 'macs', 'latency' or 'memory'.",
        ),
        (("--to", "fpm"), "match.to: unknown arm 'fpm'. Did you mean 'fpn'? Choices: fpn, unet."),
        (("--to", "0"), "match.to: '0' is neither the name of an arm nor a number above 0."),
        (("--to", "7"), "unet: no decoder width brings it within 1 % of 7 MACs: at width 1, the least, there are "),
        ((), "Missing option '--to'"),
    ],
)
def test_what_cannot_be_is_one_sentence(skipbench: Any, arguments: tuple[str, ...], sentence: str) -> None:
    refused = skipbench("match", "unet", "fpn", *SMALL, *arguments)
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert sentence in refused.err
