"""`morph` and `diff`: the same facts in every format and as a picture, of models and of a run's arms."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from skipbench.archs import FACTORS

LIGHT = ("--encoder", "test_resnet", "width=8")
SMALL = (*LIGHT, "--img-size", "32x48")


def rows(skipbench: Any, *arguments: object) -> list[dict[str, Any]]:
    outcome = skipbench(*arguments, "--format", "json")
    assert outcome.code == 0, outcome.err
    found: list[dict[str, Any]] = json.loads(outcome.out)
    return found


@pytest.mark.parametrize("ends", [("hourglass", "fpn"), ("unet", "fpn"), ("rectified_gaussian", "fpn")])
def test_the_steps_add_up_to_what_cost_counts_of_the_two_ends(skipbench: Any, ends: tuple[str, str]) -> None:
    walk = rows(skipbench, "morph", *ends, *SMALL)
    counted = skipbench("cost", *ends, *LIGHT[:2], "--set", LIGHT[2], "--img-size", "32x48", "--format", "json").out
    first, last = json.loads(counted)
    for key in ("params/total", "macs/total"):
        changes = [int(row[f"{key}/change"]) for row in walk[1:]]
        assert all(change == row[f"{key}/change"] for change, row in zip(changes, walk[1:], strict=True))
        assert sum(changes) == int(last[key]) - int(first[key])
        assert walk[0][key] == first[key]


def test_the_same_walk_as_table_and_json(skipbench: Any) -> None:
    walk = rows(skipbench, "morph", "hourglass", "fpn", *SMALL)
    assert [row["factors"] for row in walk] == [
        [], ["lateral"], ["bridge"], ["pre"], ["out"], ["head_levels"], ["supervision"],
    ]  # fmt: skip
    assert walk[6]["cost"] == "free"
    table = skipbench("morph", "hourglass", "fpn", *SMALL).out
    for row in walk[1:]:
        assert row["edit"] in table
        assert row["cost"] in table
    assert "From hourglass to fpn: 6 edits, " in table


def test_orders_give_each_edit_a_mean_that_adds_up_and_a_range(skipbench: Any) -> None:
    command = ("morph", "unet", "unet", "b.fusion=add", "b.upsample=nearest", "b.post=none", *SMALL, "--orders", 6)
    walk = rows(skipbench, *command)
    for key in ("params/total", "macs/total"):
        total = walk[-1][key] - walk[0][key]
        assert sum(row[f"{key}/orders_mean"] for row in walk[1:]) == pytest.approx(total, rel=1e-12)
        for row in walk[1:]:
            assert row[f"{key}/orders_low"] <= row[f"{key}/change"] <= row[f"{key}/orders_high"]
    assert any(row["params/total/orders_low"] < row["params/total/orders_high"] for row in walk[1:])
    told = skipbench(*command).out
    assert "mean effect of each edit over 6 orders" in told
    assert "6 orders (seed 0) over 8 networks, each counted once." in told


def test_factors_are_of_both_or_of_one(skipbench: Any) -> None:
    both = rows(skipbench, "diff", "unet", "unet", *LIGHT, "b.fusion=add", "a.norm=group")
    assert both == [
        {"factor": "fusion", "a": "concat_wide", "b": "add", "what it is": both[0]["what it is"]},
        {"factor": "norm", "a": "group", "b": "batch", "what it is": FACTORS["norm"].what},
    ]
    assert rows(skipbench, "diff", "unet", "unet", *LIGHT) == []


def test_diff_says_whether_two_specs_are_one_network(skipbench: Any) -> None:
    same = skipbench("diff", "hourglass", "hourglass", *LIGHT, "b.bottom_up=strided_basic").out
    assert "hourglass and hourglass / bottom_up=strided_basic compute the same and begin alike; 1 of " in same
    assert "are two networks; 6 of " in skipbench("diff", "hourglass", "fpn", *LIGHT).out


def test_an_edit_that_changes_nothing_is_called_so(skipbench: Any) -> None:
    (_, row) = rows(skipbench, "morph", "hourglass", "hourglass", *SMALL, "b.share_head=false")
    assert (row["cost"], row["params/total/change"]) == ("changes nothing", 0)


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_the_picture(skipbench: Any, tmp_path: Path, form: str) -> None:
    out = tmp_path / f"morph.{form}"
    outcome = skipbench("morph", "hourglass", "fpn", *SMALL, "--orders", 2, "--out", out)
    assert outcome.code == 0, outcome.err
    assert f"figure: {out}" in outcome.out
    assert out.stat().st_size > 5000
    if form == "png":
        assert Image.open(out).size[0] == 1900


def test_latency_is_timed_if_asked_for(skipbench: Any) -> None:
    command = ("morph", "unet", "unet", "b.fusion=add", *SMALL, "--latency", "--time-limit", 0.01)
    first, second = rows(skipbench, *command)
    assert first["latency_ms/median"] > 0
    assert second["latency/low"] <= second["latency/ratio"] <= second["latency/high"]
    assert second["latency/verdict"] in ("equal", "faster", "slower", "open")


@pytest.fixture
def run(skipbench: Any, tiny_suite: str, tmp_path: Path) -> Path:
    """Run the tiny suite with a morph of one step in between."""
    folder = tmp_path / "run"
    arms = "arms=[{morph: [hourglass, fpn], head_levels: finest, supervision: last, bridge: none, pre: none}]"
    assert skipbench("run", tiny_suite, arms, "--out", folder).code == 0
    return folder


def test_a_run_s_arms_have_scores_latencies_and_a_section(skipbench: Any, run: Path, tmp_path: Path) -> None:
    shared = "bridge=none, pre=none"
    first, last = f"hourglass / {shared}", "fpn / head_levels=finest, supervision=last, bridge=none"
    walk = rows(skipbench, "morph", first, last, "--run", run)
    assert [row.get("arm") for row in walk] == [first, f"hourglass to fpn 1 / {shared}, lateral=conv1x1", last]
    for row in walk[1:]:
        assert row["n"] == 2
        assert row["mean"] == pytest.approx(sum(row["each"]) / 2)
        assert row["worth"] == "too few seeds"
        assert row["latency_ms/median"] > 0
    assert ", n = 2" in skipbench("morph", first, last, "--run", run, "--out", tmp_path / "x.png").out
    other = skipbench("morph", first, last, "a.fusion=max", "--run", run).out  # a step that was never trained
    assert "not trained" in other
    assert "lateral: residual → conv1x1" in other
    assert "fusion: max → add" in other
    assert skipbench("plot", run, "morph").code == 0
    assert skipbench("report", run).code == 0
    page = (run / "report" / "index.html").read_text()
    assert "From one network to another" in page
    assert skipbench("diff", first, last, "--run", run).code == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("morph", "hourglas", "fpn"), "unknown model 'hourglas'. Did you mean 'hourglass'?"),
        (("morph", "fpn", "fpn"), "no factor differs between fpn and fpn: there is no step to take."),
        (("morph", "fpn", "unet", "b.fusoin=add"), "unknown factor 'fusoin'. Did you mean 'fusion'?"),
        (("morph", "fpn", "unet", "fusion"), "'fusion' is not an assignment; expected key=value"),
        (("morph", "fpn", "unet", "a=3"), "'a' is 3; factors of that model are given as a.width=32."),
        (("morph", "fpn", "unet", "b.width=[8, 8]"), "width lists 2 levels"),
        (("morph", "fpn", "unet", "--out", "x.gif"), "unknown format 'gif'. "),
        (("morph", "fpn", "unet", "--run", "nowhere"), "nowhere"),
        (
            ("morph", "fpn", "unet", "--run", "nowhere", "--latency"),
            "with --run, latencies are those that the run has",
        ),
        (("diff", "fpn", "unett"), "unknown model 'unett'. Did you mean 'unet'?"),
        (("morph", "fpn", "unet", "--orders", "-1"), "Invalid value for '--orders'"),
    ],
)
def test_what_cannot_be_is_one_sentence(skipbench: Any, arguments: tuple[str, ...], sentence: str) -> None:
    outcome = skipbench(*arguments)
    assert outcome.code == 2
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1


def test_an_arm_that_the_run_does_not_have(skipbench: Any, run: Path) -> None:
    outcome = skipbench("diff", "hourglass", "fpn", "--run", run)
    assert outcome.code == 2
    assert (
        "unknown arm 'hourglass'. Choices: fpn / head_levels=finest, supervision=last, bridge=none, " in outcome.err
    )
    assert "has 0 such studies" in skipbench("diff", "a", "b", "--run", run, "--task", "pose").err


def test_a_file_of_somebody_else_is_not_overwritten(skipbench: Any, tmp_path: Path) -> None:
    mine = tmp_path / "mine.png"
    mine.write_text("mine")
    assert skipbench("morph", "unet", "fpn", *SMALL, "--out", mine).code == 2
    assert mine.read_text() == "mine"
