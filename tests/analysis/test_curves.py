"""Learning curves as facts: whose they are, what is averaged, which score they show."""

import numpy as np
import pytest

from skipbench.analysis.curves import course, learned, mean_course, validated
from skipbench.analysis.frames import load
from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.metrics import Metric, percentage
from skipbench.bench.records.store import write_run

IMAGES = np.array([8, 16, 24])
LOSS = {"unet": [[4.0, 2.0, 1.0], [2.0, 2.0, 3.0]], "fpn": [[1.0, 1.0, 1.0], [3.0, 3.0, 3.0]]}
SCORES = {"unet": [[0.1, 0.5, 0.4], [0.2, 0.3, 0.4]], "fpn": [[0.0, 0.1, 0.2], [np.nan] * 3]}


@pytest.fixture
def study(tmp_path):
    score = percentage("miou", "mIoU")
    declared = [Metric("test/other", "Other"), score.on("test"), Metric("val/other", "Other"), score.on("val")]
    cells = [
        Cell(
            kind="train", arm=arm, model=arm, task="segmentation", dataset="shapes",
            seed=seed, spec={}, determines={"arm": arm, "seed": seed},
        ) for arm in LOSS for seed in (0, 1)
    ]  # fmt: skip
    with write_run(tmp_path, {}, cells, {("segmentation", "shapes"): declared}) as run:
        for cell in cells:
            curve = {"images": IMAGES, "loss": np.array(LOSS[cell.arm][cell.seed])}
            scores = np.array(SCORES[cell.arm][cell.seed])
            tables = {
                "curve": curve,
                "validations": {"images": IMAGES, "val/other": scores, "val/miou": scores},
            }
            kept = run.save_artifacts(cell, {}, tables=tables)
            run.save([RunRecord.of(cell, status="ok", values={"test/miou": 0.5}, artifacts=kept)])
    return load(tmp_path)


def test_a_course_has_every_point_of_every_seed_and_its_mean_is_over_those(study):
    points = course(study, "loss")
    assert len(points) == 12
    assert points[(points.arm == "unet") & (points.seed == 1)].value.tolist() == [2.0, 2.0, 3.0]
    means = mean_course(points)
    assert means[means.arm == "unet"].value.tolist() == [3.0, 2.0, 2.0]
    assert means[means.arm == "unet"].images.tolist() == [8, 16, 24]


def test_a_score_that_is_not_defined_has_no_point(study):
    points = course(study, "val/miou")
    assert points[points.arm == "fpn"].seed.tolist() == [0, 0, 0]
    assert course(study, "val/absent").empty


def test_the_score_shown_is_the_headlines_on_validation(study):
    assert validated(study).key == "val/miou"  # though val/other is declared first


def test_the_best_validation_is_each_seeds_own(study):
    table = learned(study).set_index("arm")
    expected = {"seeds": 2, "first": 3.0, "last": 2.0, "best": 0.45, "at": 20.0}
    assert table.loc["unet"].to_dict() == pytest.approx(expected)
    assert (table.loc["fpn", "best"], table.loc["fpn", "at"]) == (0.2, 24.0)
