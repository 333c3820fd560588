"""`skipbench match`: the same widths as a table, CSV and JSON, those that a suite would train."""

import csv
import io
import json
from typing import Any

import pytest

from skipbench.archs import ArchSpec
from skipbench.bench.measure.cost import cost

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


def test_latency_is_timed_with_an_interval(skipbench: Any) -> None:
    timing = ("--blocks", 3, "--processes", 0, "--time-limit", 0.01, "--threads", 1)
    command = ("match", "unet", "fpn", *SMALL, "--by", "latency", "--to", "fpn", *timing)
    unet, fpn = json.loads(skipbench(*command, "--format", "json").out)
    assert unet["low"] <= 0 <= unet["high"]
    assert fpn["width"] == 32
    assert "deviation" not in fpn


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
