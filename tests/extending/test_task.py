"""The pages' task, metric and dataset format, each from its one file: in plan, records, page and lists."""

from pathlib import Path

import pandas as pd
import pytest

from skipbench.bench.cli import main
from skipbench.bench.records.store import open_run


def test_a_task_from_one_file_shows_wherever_tasks_do(readme, skipbench, small, few, tmp_path: Path) -> None:
    file, run = readme("my_task.py"), tmp_path / "run"
    options = ("segmentation.task=foreground", "--task", "foreground", *small, *few, "--plugin", file)
    assert "train foreground: fpn, seed 0" in skipbench("run", "quick", *options, "--dry-run")
    skipbench("run", "quick", *options, "--out", run)
    (trained,) = [record for record in open_run(run).records() if record.kind == "train"]
    assert trained.determines["study_source"]
    score = trained.values["test/iou"]
    assert 0 < score < 1
    assert score <= 1 >= trained.values["val/iou"]
    skipbench("report", run)  # without the file
    table = pd.read_csv(run / "report" / "tables" / "accuracy.csv")
    assert table["mean"].tolist() == pytest.approx([score])
    page = (run / "report" / "index.html").read_text()
    assert "Foreground IoU (%)" in page
    drawn = skipbench("plot", run, "predictions", "--format", "svg", "--out", tmp_path / "drawn.svg")
    assert "<!-- foreground -->" in Path(drawn.removeprefix("figure: ").strip()).read_text()
    assert "foreground" in skipbench("list", "tasks", "--plugin", file).split()
    assert "foreground/iou" in skipbench("list", "metrics", "fore*", "--plugin", file).split()


def test_a_metric_and_a_format_from_one_file_each(readme, skipbench, small, tmp_path: Path) -> None:
    files, run, data = (readme("my_metric.py"), readme("my_format.py")), tmp_path / "run", tmp_path / "data"
    plugins = [word for file in files for word in ("--plugin", file)]
    assert "pairs" in skipbench("list", "datasets", *plugins).split()
    assert "segmentation/pixel_accuracy" in skipbench("list", "metrics", *plugins).split()
    from skipbench.bench.data import DATASETS

    data.mkdir()
    DATASETS["pairs"].example(data)
    checked = skipbench("data", "check", data, *plugins)
    assert "format: pairs" in checked
    assert "images: 6 train, 2 val, 2 test" in checked
    skipbench("run", "quick", "--data", data, "--task", "segmentation", *small, *plugins, "--out", run)
    (trained,) = [record for record in open_run(run).records() if record.kind == "train"]
    assert 0 < trained.values["test/pixel_accuracy"] < 1
    assert trained.determines["study_source"] != trained.determines["metrics"]["segmentation/pixel_accuracy"]


FIGURE = """
from matplotlib.figure import Figure
from skipbench.reports.figures import register_figure

@register_figure("empty", title="Empty", caption="Nothing is here.", alt="An empty figure.")
def empty(study):
    return Figure()
"""
PREDICTION = """
from dataclasses import dataclass
from skipbench.bench.predictions import LabelMaps, register_prediction

@register_prediction("other_maps")
@dataclass(frozen=True)
class OtherMaps(LabelMaps):
    pass
"""


@pytest.mark.parametrize(("source", "listed"), [(FIGURE, "figures empty"), (PREDICTION, "predictions other_maps")])
def test_a_file_that_registers_only_what_is_drawn_is_taken_by_every_command(
    source: str, listed: str, skipbench, small, few, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(source)
    kind, name = listed.split()
    assert name in skipbench("list", kind, "--plugin", file).split()
    skipbench("cost", "fpn", "--encoder", "test_resnet", "--img-size", "32x32", "--plugin", file)
    skipbench("run", "quick", "--task", "segmentation", *small, *few, "--dry-run", "--plugin", file)
    assert f"{kind.removesuffix('s')} '{name}'" in skipbench("check", file)


def test_every_kind_is_listed_and_an_unknown_one_is_answered_with_the_nearest(
    skipbench, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind, name in {
        "models": "unet",
        "bottom-ups": "pooled_residual",
        "layouts": "smp-unet",
        "annotations": "mask",
        "tasks": "pose",
        "metrics": "pose/error_px",
        "predictions": "label_maps",
        "measurements": "latency",
        "figures": "pareto",
    }.items():
        assert name in skipbench("list", kind).split()
    assert main(["list", "figure"]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("skipbench: unknown kind 'figure'. Did you mean 'figures'? Choices: annotations, ")
