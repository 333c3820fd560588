"""Records as tables: every planned cell is a row, whatever became of it."""

import numpy as np
import pandas as pd
import pytest

from skipbench.analysis.frames import from_records, load, once
from skipbench.bench.errors import StoreError
from skipbench.bench.records.store import write_run


@pytest.fixture
def run(cell, record):
    cost, fine, broken, late = cell("cost"), cell(seed=0), cell(seed=1), cell(seed=2)
    records = [
        record(broken, reason="loss became nan at image 64"),
        record(fine, {"test/miou": 0.5, "test/iou/car": 0.4}, seconds=3.0),
        record(cost, {"params/total": 10.0}),
    ]
    return [cost, fine, broken, late], records


def test_every_cell_is_a_row_in_the_order_of_the_plan(run):
    cells = from_records(*run).cells
    assert cells["status"].tolist() == ["ok", "ok", "failed", "missing"]
    assert cells["reason"].tolist()[2:] == ["loss became nan at image 64", "not run yet"]
    assert cells["seed"].tolist() == [pd.NA, 0, 1, 2]
    assert cells["seconds"].tolist()[1] == 3.0


def test_values_are_one_row_per_measured_number(run):
    values = from_records(*run).values
    assert list(zip(values["kind"], values["key"], values["value"], strict=True)) == [
        ("cost", "params/total", 10.0),
        ("train", "test/miou", 0.5),
        ("train", "test/iou/car", 0.4),
    ]


def test_a_failed_cell_measured_nothing(cell, record):
    failed = record(cell("latency"), reason="no GPU", samples=[1.0])
    frames = from_records([failed], [failed])
    assert frames.samples.empty
    assert frames.finished("latency") == []
    assert frames.wide("latency").empty


def test_samples_keep_their_order(cell, record):
    timed = cell("latency")
    samples = from_records([timed], [record(timed, samples=[3.0, 1.0, 2.0])]).samples
    assert samples[["order", "latency_ms"]].to_numpy().tolist() == [[0, 3.0], [1, 1.0], [2, 2.0]]


def test_studies_keep_tasks_and_datasets_apart(cell, record):
    cells = [cell(), cell(dataset="streets"), cell(task="pose"), cell(seed=1)]
    studies = from_records(cells, [record(cells[1], {"test/miou": 0.3})]).studies()
    assert [(study.cells.task.iloc[0], study.cells.dataset.iloc[0]) for study in studies] == [
        ("segmentation", "shapes"),
        ("segmentation", "streets"),
        ("pose", "shapes"),
    ]
    assert [study.title for study in studies][1:] == ["segmentation on streets", "pose on shapes"]
    assert all(len(study.run.cells) == 4 for study in studies)
    assert [len(study.cells) for study in studies] == [2, 1, 1]
    assert [len(study.values) for study in studies] == [0, 1, 0]


def test_arms_are_shown_with_the_factors_in_which_they_differ(cell):
    cells = [
        cell("cost", "unet / add", width=8),
        cell("cost", "unet / max", width=None),
        cell(arm="unet / add", width=8),
    ]
    arms = from_records(cells, []).arms
    assert arms.to_dict("records") == [
        {"arm": "unet / add", "model": "unet", "fusion": "add", "width": "8"},
        {"arm": "unet / max", "model": "unet", "fusion": "max", "width": "null"},
    ]


def test_a_fact_is_worked_out_once_per_study_and_options_and_its_table_is_a_copy(run):
    whole, worked_out = from_records(*run), []

    @once
    def squares(study, count, power=2):
        worked_out.append((count, power))
        return pd.DataFrame({"square": [number**power for number in range(count)]})

    squares(whole, 3)["more"] = 1
    assert squares(whole, 3).to_dict("list") == {"square": [0, 1, 4]}
    assert squares(whole, 3, power=3).to_dict("list") == {"square": [0, 1, 8]}
    (study,) = whole.studies()
    assert squares(study, 3).to_dict("list") == {"square": [0, 1, 4]}
    assert worked_out == [(3, 2), (3, 3), (3, 2)]


def test_a_run_folder_gives_the_same_tables(run, tmp_path):
    cells, records = run
    with write_run(tmp_path, {"name": "made-up"}, cells) as writer:
        writer.save(records)
    loaded = load(tmp_path)
    assert loaded.suite == {"name": "made-up"}
    pd.testing.assert_frame_equal(loaded.cells, from_records(cells, records).cells)
    pd.testing.assert_frame_equal(loaded.values, from_records(cells, records).values)


def test_of_a_large_run_only_the_study_that_is_asked_for_is_read(cell, record, tmp_path):
    cells = [cell("train", seed=0), cell("train", seed=1), cell("train", seed=0, task="pose")]
    with write_run(tmp_path, {"name": "made-up"}, cells) as writer:
        writer.save([record(each, {"test/miou": 0.5}) for each in cells])
    other, asked = load(tmp_path, task="pose").studies()
    assert (len(other.records), len(asked.records)) == (0, 1)
    (whole,) = (study for study in load(tmp_path).studies() if study.title == asked.title)
    pd.testing.assert_frame_equal(asked.values, whole.values)
    assert asked.cells["status"].tolist() == ["ok"]
    assert [study.title for study in (other, asked)] == [study.title for study in load(tmp_path).studies()]


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(StoreError, match="contains no run"):
        load(tmp_path)


def test_what_trainings_keep_is_read_as_tidy_tables_of_the_run_and_of_a_study(tmp_path, cell, record):
    cells = [cell(seed=0), cell(seed=1), cell(seed=0, task="pose"), cell("cost")]
    with write_run(tmp_path, {"name": "tiny"}, cells) as writer:
        for number, one in enumerate(cells[:3]):
            seen = np.array([8, 16])
            tables = {
                "curve": {
                    "images": seen,
                    "loss": np.array([2.0, 1.0]),
                    "lr": seen / 100,
                    "images_per_s": seen * 1.0,
                },
                "validations": {"images": seen[1:], f"val/{one.task}": np.array([0.5 + number])},
                f"images.{one.task}": {"image": seen, "class": np.array(["car", "tram"])},
            }
            writer.save([record(one, {"test/miou": 0.5}, artifacts=writer.save_artifacts(one, {}, tables=tables))])
        writer.save([record(cells[3], {"params/total": 1.0})])
    run = load(tmp_path)
    assert run.curves.columns.tolist()[7:] == ["images", "loss", "lr", "images_per_s"]
    assert run.curves[["task", "seed", "images"]].values.tolist() == [
        [one.task, one.seed, images] for one in cells[:3] for images in (8, 16)
    ]
    segmentation, pose = run.studies()
    assert segmentation.validations["val/segmentation"].tolist() == [0.5, 1.5]
    assert pose.validations["val/pose"].tolist() == [2.5]
    assert list(run.images) == ["segmentation", "pose"]
    assert list(pose.images) == ["pose"]
    assert segmentation.images["segmentation"]["class"].tolist() == ["car", "tram"] * 2
    assert segmentation.images["segmentation"]["seed"].dtype == "Int64"

    (tmp_path / "artifacts" / f"{cells[2].cell_id}.curve.parquet").unlink()
    with pytest.raises(StoreError, match=r"curve.parquet of .* cannot be read: .*No such file"):
        _ = load(tmp_path).studies()[1].curves


def test_where_no_training_kept_anything_the_tables_are_empty(run):
    frames = from_records(*run)
    assert frames.curves.columns.tolist()[7:] == ["images", "loss", "lr", "images_per_s"]
    assert len(frames.curves) == len(frames.validations) == len(frames.images) == 0
