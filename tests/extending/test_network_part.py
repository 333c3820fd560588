"""A part of a network from one file, swept against the project's own, shows wherever the project's own do."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from skipbench.bench.records.store import open_run

PARTS = Path(__file__).parents[1] / "parts"
# of each part: what is swept, the arm, the factor that it differs in, the pair's label, what lists call it
CASES = {
    "fusion": ("fusion: [add, halved]", "fpn / fusion=halved", "fusion", "fpn: halved − add", "fusions"),
    "upsampler": (
        "upsample: [nearest, bicubic]",
        "fpn / upsample=bicubic",
        "upsample",
        "fpn: bicubic − nearest",
        "upsamplers",
    ),
    "block": (
        "lateral: [conv1x1, depthwise]",
        "fpn / lateral=depthwise",
        "lateral",
        "fpn: depthwise − conv1x1",
        "blocks",
    ),
    "encoder": (
        "encoder: [plain-8, plain-4]",
        "fpn / encoder=plain-4",
        "encoder",
        "fpn: plain-4 − plain-8",
        "encoders",
    ),
    "preset": ("model: [fpn, fpn_of_two]", "fpn_of_two", "fusion", "fpn_of_two: concat − add", "models"),
}


@pytest.mark.parametrize("part", CASES)
def test_a_part_from_one_file_is_swept_and_shows_wherever_parts_do(
    part: str, skipbench, small, few, tmp_path: Path
) -> None:
    swept, arm, factor, label, kind = CASES[part]
    run = tmp_path / "run"
    file = shutil.copy(PARTS / f"{part}.py", tmp_path)
    model = "" if swept.startswith("model") else "model: fpn, "
    options = (
        "--task",
        "segmentation",
        *small,
        *few,
        f"arms=[{{{model}sweep: {{{swept}}}}}]",
        "model.strides=null",
    )
    assert f"train segmentation: {arm}, seed 0" in skipbench(
        "run", "quick", *options, "--plugin", file, "--dry-run"
    )
    skipbench("run", "quick", *options, "--plugin", file, "--out", run)
    skipbench("report", run)  # without the file

    plugged = [record for record in open_run(run).records() if record.arm == arm]
    assert {record.kind for record in plugged} == {"cost", "latency", "train"}
    name = swept.rpartition(" ")[2].rstrip("]")
    if kind != "models":  # a preset is nothing but the factors that it names
        assert all(record.spec[factor] == name and record.determines["plugin_source"] for record in plugged)
    tables, page = run / "report" / "tables", (run / "report" / "index.html").read_text()
    assert arm in pd.read_csv(tables / "arms.csv")["arm"].tolist()
    assert pd.read_csv(tables / f"factor-{factor}.csv")["label"].tolist() == [label]
    assert f"Mean difference in mIoU by choice of {factor}, paired by seed: {label} = " in page
    drawn = skipbench("plot", run, "factor", "--format", "svg", "--out", tmp_path / "drawn.svg")
    assert f"<!-- {label} -->" in Path(drawn.removeprefix("figure: ").strip()).read_text()
    assert name in skipbench("list", kind, "--plugin", file).split()
    assert "The contract is kept." in skipbench("check", file)
