"""One table per study: score, cost and speed of each arm."""

import math

from skipbench.analysis.results import results
from skipbench.bench.tasks.segmentation.metrics import SegmentationScorer


def test_costs_stand_once_and_speeds_are_means_over_runs(cell, record, frames):
    records = [
        record(cell(seed=0), {"test/miou": 0.5, "train/images_per_s": 10.0}),
        record(cell(seed=1), {"test/miou": 0.6, "train/images_per_s": 20.0}),
        record(cell("cost"), {"params/total": 7.0}),
        record(cell(arm="fpn / add"), {"test/miou": 0.7}),
    ]
    table = results(frames(records, records), SegmentationScorer.scores[0].on("test")).set_index("arm")
    assert table.loc["unet / add", ["mean", "params/total", "train/images_per_s"]].tolist() == [0.55, 7.0, 15.0]
    assert math.isnan(table.loc["fpn / add", "params/total"])
    assert "macs/total" not in table
