"""A part of a network from one file, swept against the project's own, shows wherever the project's own do."""

from pathlib import Path

import pandas as pd
import pytest

from skipbench.bench.records.store import open_run

FUSION = """
from torch import nn
import skipbench

@skipbench.register_fusion("halved")
class Halved(skipbench.Fusion):
    def __init__(self, coarse_channels, skip_channels, out_channels):
        super().__init__(coarse_channels, skip_channels, out_channels)
        self.coarse = nn.Conv2d(coarse_channels, out_channels, 1)
        self.skip = nn.Conv2d(skip_channels, out_channels, 1)

    def forward(self, coarse, skip):
        return (self.coarse(coarse) + self.skip(skip)) / 2
"""
UPSAMPLER = """
import torch.nn.functional as F
import skipbench

@skipbench.register_upsampler("bicubic")
class Bicubic(skipbench.Upsample):
    def forward(self, coarse, size, below=None):
        return F.interpolate(coarse, size=size, mode="bicubic")
"""
BLOCK = """
from torch import nn
import skipbench

@skipbench.register_block("depthwise")
class Depthwise(skipbench.Block):
    def __init__(self, in_channels, out_channels, style):
        super().__init__(in_channels, out_channels, style)
        self.deep = nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels)
        self.wide = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x):
        return self.wide(self.deep(x).relu())
"""
ENCODER = """
from torch import nn
import skipbench

@skipbench.register_encoder("plain-*", members=["plain-4", "plain-8"])
class Plain(skipbench.Encoder):
    def __init__(self, spec):
        super().__init__()
        width = int(spec.encoder.removeprefix("plain-"))
        fed = [spec.in_channels, width, 2 * width]
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, 2, 1) for i, o in zip(fed, fed[1:]))
        self.specs = [skipbench.FeatureSpec(width, 2), skipbench.FeatureSpec(2 * width, 4)]

    def levels(self, image):
        fine = self.convs[0](image)
        return [fine, self.convs[1](fine)]
"""
PRESET = """
import skipbench
from skipbench.archs.presets import PRESETS

skipbench.register_preset("fpn_of_two")({**PRESETS["fpn"], "fusion": "concat"})
"""
# of each kind: file, what is swept, the arm, the factor that it differs in, the pair's label, what lists call it
CASES = {
    "fusion": (FUSION, "fusion: [add, halved]", "fpn / fusion=halved", "fusion", "fpn: halved − add", "fusions"),
    "upsampler": (
        UPSAMPLER,
        "upsample: [nearest, bicubic]",
        "fpn / upsample=bicubic",
        "upsample",
        "fpn: bicubic − nearest",
        "upsamplers",
    ),
    "block": (
        BLOCK,
        "lateral: [conv1x1, depthwise]",
        "fpn / lateral=depthwise",
        "lateral",
        "fpn: depthwise − conv1x1",
        "blocks",
    ),
    "encoder": (
        ENCODER,
        "encoder: [plain-8, plain-4]",
        "fpn / encoder=plain-4",
        "encoder",
        "fpn: plain-4 − plain-8",
        "encoders",
    ),
    "preset": (PRESET, "model: [fpn, fpn_of_two]", "fpn_of_two", "fusion", "fpn_of_two: concat − add", "models"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_part_from_one_file_is_swept_and_shows_wherever_parts_do(
    case: tuple[str, ...], skipbench, small, few, tmp_path: Path
) -> None:
    source, swept, arm, factor, label, kind = case
    file, run = tmp_path / "mine.py", tmp_path / "run"
    file.write_text(source)
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
    assert f"Mean change of mIoU by {factor}, paired by seed: {label} = " in page
    drawn = skipbench("plot", run, "--kind", "factor", "--format", "svg", "--out", tmp_path / "drawn.svg")
    assert f"<!-- {label} -->" in Path(drawn.removeprefix("figure: ").strip()).read_text()
    assert name in skipbench("list", kind, "--plugin", file).split()
    assert "The contract is kept." in skipbench("check", file)
