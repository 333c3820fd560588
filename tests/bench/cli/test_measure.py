"""`cost`, `latency`, `list` and `check`: the same numbers in every format, and plug-ins in each."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from skipbench.archs import FACTORS, REGISTRIES, create_model, list_models
from skipbench.bench.cli import listing
from skipbench.bench.cli.options import registries

SMALL = ("--encoder", "test_resnet", "--img-size", "32x48", "--set", "width=8")


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_cost_gives_the_same_counts_as_table_csv_and_json(skipbench: Any) -> None:
    command = ("cost", "unet", "fpn", *SMALL, "--classes", 6)
    from_json = json.loads(skipbench(*command, "--format", "json").out)
    from_csv = read_csv(skipbench(*command, "--format", "csv").out)
    table = skipbench(*command).out
    assert [row["model"] for row in from_json] == [row["model"] for row in from_csv] == ["unet", "fpn"]
    for one, other in zip(from_json, from_csv, strict=True):
        model = create_model(one["model"], encoder_name="test_resnet", width=8, classes=6)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        assert one["params/total"] == float(other["params/total"]) == parameters
        assert one["image_size"] == other["image_size"] == "32x48"
        assert f"{parameters / 1e6:.3f}" in table
        assert one["notes"] == []
        assert f"{one['elementwise/total'] / 1e6:.3f}" in table
        assert f"{one['bytes/decoder'] / 1e6:.3f}" in table
    assert "≥" not in table


def test_a_factor_set_for_all_models_is_a_column(skipbench: Any) -> None:
    rows = read_csv(skipbench("cost", "unet", "fpn", *SMALL, "--set", "fusion=gated", "--format", "csv").out)
    assert [row["fusion"] for row in rows] == ["gated", "gated"]


def test_latency_names_every_option_and_json_keeps_every_sample(skipbench: Any) -> None:
    command = (
        "latency",
        "unet",
        "fpn",
        *SMALL,
        "--rounds",
        3,
        "--blocks",
        3,
        "--processes",
        0,
        "--time-limit",
        0.01,
        "--batch-size",
        2,
        "--threads",
        1,
        "--device",
        "cpu",
    )
    rows = json.loads(skipbench(*command, "--format", "json").out)
    assert [row["model"] for row in rows] == ["unet", "fpn"]
    for row in rows:
        assert len(row["samples_ms"]) >= 9
        assert sum(len(block["positions"]) for block in row["blocks"]) == len(row["samples_ms"])
        assert row["reference"] == "unet"
        assert (row["batch_size"], row["threads"], row["size"], row["device"]) == (2, 1, "32x48", "cpu")
    assert rows[0]["ratio"] == 1
    assert rows[1]["low"] <= rows[1]["ratio"] <= rows[1]["high"]
    assert rows[1]["latency_ms/median"] / rows[0]["latency_ms/median"] == pytest.approx(rows[1]["ratio"])
    table = skipbench(*command).out
    for column in ("ratio", "verdict", "median, ms", "p90, ms", "images/s", "memory format", "precision", "32x48"):
        assert column in table
    assert "Latency relative to unet over " in table
    assert "Ended by: " in table


def test_list_takes_a_pattern(skipbench: Any) -> None:
    def names(*asked: str) -> list[str]:
        return [row["name"] for row in json.loads(skipbench("list", *asked, "--format", "json").out)]

    assert names("models", "hour*") == list_models("hour*")
    assert "resnet18" in names("encoders", "resnet*")
    assert names("suites") == ["ablation", "claims", "morph", "quick", "standard"]
    assert {"scenes", "folder"} <= {*names("datasets")}
    for kind, registry in REGISTRIES.items():
        assert names(kind, "*o*") == registry.names("*o*")
    assert {*names("kinds")} == {*names()} == {"suites", "factors", *registries()}


def test_list_says_in_a_sentence_what_each_name_is_and_its_defaults(skipbench: Any) -> None:
    for kind in ("suites", "factors", *(kind for kind in registries() if kind != "encoders")):
        for row in json.loads(skipbench("list", kind, "--format", "json").out):
            assert re.search(r"\w.*[.?]$", row["what"]), (kind, row["name"])
    (unet,) = json.loads(skipbench("list", "models", "unet", "--format", "json").out)
    assert unet["defaults"]["fusion"] == "concat_wide"
    (pose,) = json.loads(skipbench("list", "tasks", "pose", "--format", "json").out)
    assert pose["defaults"]["sigma"] == 1.0
    (head,) = read_csv(skipbench("list", "factors", "head", "--format", "csv").out)
    assert head["defaults"] == "head=conv1x1"
    (light,) = json.loads(skipbench("list", "encoders", "resnet18", "--format", "json").out)
    assert light["what"] == "Of timm, with published weights."


def test_a_list_is_read_in_80_columns(skipbench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "WIDE", 80)
    for kind in ("kinds", "suites", "models", "factors", "datasets", "measurements", "figures"):
        table = skipbench("list", kind).out
        assert max(map(len, table.splitlines())) <= 80
    assert "  default: size=null\n" in skipbench("list", "measurements", "cost").out


def test_list_says_of_factors_what_is_declared(skipbench: Any) -> None:
    shown = " ".join(skipbench("list", "factors", "fus*").out.split())
    assert FACTORS["fusion"].what in shown
    assert "Values: add, coarse_only, concat" in shown
    assert shown.endswith("default: fusion=add")


PLUGIN = """
from skipbench.archs.fusion import Add, Fusion, register_fusion


@register_fusion("fine_{name}")
class Fine(Add):
    pass


@register_fusion("shrinks_{name}")
class Shrinks(Fusion):
    def forward(self, coarse, skip):
        return (coarse + skip)[..., ::2]
"""


def test_a_plug_in_can_be_listed_and_counted(skipbench: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN.format(name="listed"))
    assert "fine_listed" in skipbench("list", "fusions", "--plugin", file).out.split()
    rows = read_csv(
        skipbench("cost", "fpn", *SMALL, "--set", "fusion=fine_listed", "--plugin", file, "--format", "csv").out
    )
    assert rows[0]["fusion"] == "fine_listed"


def test_check_says_of_each_fusion_in_a_file_what_is_wrong(skipbench: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN.format(name="checked"))
    outcome = skipbench("check", file)
    assert outcome.code == 1
    fine, shrinks = outcome.out.split("fusion 'shrinks_checked':")
    assert fine.startswith("fusion 'fine_checked':")
    assert "BROKEN" not in fine
    assert "BROKEN  shapes:" in shrinks
    file = tmp_path / "fine.py"
    file.write_text(PLUGIN.format(name="kept").split('@register_fusion("shrinks')[0])
    outcome = skipbench("check", file)
    assert outcome.code == 0
    assert "The contract is kept." in outcome.out


OPAQUE = """
import torch
from skipbench.archs import Fusion, Work, register_cost, register_fusion

@torch.library.custom_op("cli_test_{name}::blend", mutates_args=())
def blend(coarse: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
    return coarse + skip

@blend.register_fake
def shape(coarse, skip):
    return torch.empty_like(skip)

blend.register_autograd(lambda context, gradient: (gradient, gradient))

@register_fusion("opaque_{name}")
class Opaque(Fusion):
    def forward(self, coarse, skip):
        return self.mix(torch.ops.cli_test_{name}.blend(coarse[:, :1], skip[:, :1]))

    def __init__(self, *channels):
        super().__init__(*channels)
        self.mix = torch.nn.Conv2d(1, self.out_channels, 1)
"""
RULE = """
@register_cost("cli_test_{name}::blend")
def work(out, coarse, skip):
    return Work(macs=1000, elementwise={{"arithmetic": out.numel()}})
"""


def test_a_plug_in_whose_operator_has_no_rule_costs_at_least_what_is_said(skipbench: Any, tmp_path: Path) -> None:
    file = tmp_path / "opaque.py"
    file.write_text(OPAQUE.format(name="unruled"))
    outcome = skipbench("check", file)
    assert outcome.code == 1
    assert "BROKEN  cost: no rule says what cli_test_unruled::blend costs: register one with" in outcome.out
    table = skipbench("cost", "fpn", *SMALL, "--set", "fusion=opaque_unruled", "--plugin", file).out
    lines = {line.split("  ")[1].strip(): line for line in table.splitlines() if line.startswith("fpn on")}
    assert {what for what, line in lines.items() if "≥" in line} == {
        "MACs, G",
        "activations, M",
        "element-wise operations, M",
    }
    assert "fpn: Operators without a rule, which make the cost a lower bound: cli_test_unruled" in table


def test_a_plug_in_with_a_rule_passes_and_is_counted(skipbench: Any, tmp_path: Path) -> None:
    file = tmp_path / "ruled.py"
    file.write_text((OPAQUE + RULE).format(name="ruled"))
    assert "ok      cost:" in skipbench("check", file).out
    table = skipbench("cost", "fpn", *SMALL, "--set", "fusion=opaque_ruled", "--plugin", file).out
    assert "≥" not in table


def test_a_roofline_says_what_bounds_each_model(skipbench: Any) -> None:
    command = ("cost", "unet", "fpn", *SMALL, "--roofline")
    first, second = json.loads(skipbench(*command, "--format", "json").out)
    assert first["machine/macs_per_s"] == second["machine/macs_per_s"] > 1e8
    assert first["machine/bytes_per_s"] > 1e8
    said = [line for line in skipbench(*command).out.splitlines() if "MACs per byte" in line]
    assert [line.partition(":")[0] for line in said] == ["unet", "fpn"]
    assert all("bound by its" in line for line in said)


def test_a_plug_in_that_breaks_the_network_is_one_sentence(skipbench: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        PLUGIN.format(name="measured").replace("(coarse + skip)[..., ::2]", "coarse.repeat(1, 2, 1, 1)")
    )
    for command in ("cost", "latency"):
        outcome = skipbench(command, "fpn", *SMALL, "--set", "fusion=shrinks_measured", "--plugin", file)
        assert outcome.code == 2
        assert "cannot be measured: " in outcome.err
        assert outcome.err.count("\n") == 1
