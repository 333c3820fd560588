"""The contract of a figure, for the tests of its author:

    from skipbench.bench.testing import declarations
    from skipbench.reports.testing import check_figure

    def test_my_figure():
        for finding in check_figure("my_figure", declarations()):
            assert finding.ok, finding.message

Its studies are made up: their metrics are those declared, with random values within their ranges.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from skipbench.analysis.frames import Frames, load
from skipbench.bench.predictions import LabelMaps
from skipbench.bench.records import Block, Cell, RunRecord
from skipbench.bench.records.metrics import Measured, Metric
from skipbench.bench.records.store import RunWriter, write_run
from skipbench.contracts import Finding
from skipbench.display import in_words
from skipbench.reports.errors import BrokenFigureError, NothingToShow
from skipbench.reports.figures import WIDTHS, figure_kind
from skipbench.reports.paper import PAGE, Paper
from skipbench.reports.plot import draw, save
from skipbench.reports.tables import Table

SIZE = (16, 24)  # of the images with predictions
NAMES = ("ground", "car")  # of classes, where the data name the groups of a score
SEEDS = (0, 1)
OVER = 0.02  # inches that nobody sees


@dataclass(frozen=True)
class MadeUp:
    """A run that was never measured, of one study or, for figures of a run, of one per dataset."""

    measured: Mapping[str, Measured]  # by kind of measurement, "train" with the task's scores
    arms: int
    lacking: frozenset[str] = field(default=frozenset())  # the kinds without any result
    datasets: tuple[str, ...] = ("shapes",)

    def write(self, folder: Path) -> Frames:
        """Write the run folder, and return its first study."""
        cells = [
            self._cell(kind, arm, seed, dataset)
            for dataset in self.datasets
            for kind, measured in self.measured.items()
            for seed in (SEEDS if measured.seeded else (None,))
            for arm in range(self.arms)
        ]
        metrics = [metric for measured in self.measured.values() for metric in measured.metrics]
        declared = {("segmentation", dataset): metrics for dataset in self.datasets}
        steps = list(dict.fromkeys(cell.arm for cell in cells))[: 2 * (self.arms > 1)]
        suite = {"name": "made-up", "studies": [{"arms": [{"morph": ["model0", "model0"], "steps": steps}]}]}
        with write_run(folder, suite, cells, declared) as run:
            run.save([self._record(cell, run) for cell in cells if cell.kind not in self.lacking])
        return load(folder).studies()[0]

    def _cell(self, kind: str, arm: int, seed: int | None, dataset: str) -> Cell:
        """Return the cell of an arm; arms come in pairs that differ only in their fusion."""
        model, fusion = f"model{arm // 2}", ("add", "concat")[arm % 2]
        spec = {"lateral": model, "post": model, "fusion": fusion}
        of: dict[str, Any] = {
            "arm": f"{model} / {fusion}",
            "seed": seed,
            "task": "segmentation",
            "dataset": dataset,
            "spec": spec,
        }
        return Cell(kind=kind, model=model, determines=of, **of)

    def _record(self, cell: Cell, run: RunWriter) -> RunRecord:
        random = np.random.default_rng([*f"{cell.kind} {cell.arm}".encode(), cell.seed or 0])
        outcome: dict[str, Any] = {"values": _values(self.measured[cell.kind].metrics, random)}
        if cell.kind == "latency":
            outcome = _timed(outcome["values"], random)
        if cell.kind == "train":
            tables = _learned(outcome["values"], random)
            outcome["artifacts"] = run.save_artifacts(cell, {"predictions": _predicted(random)}, tables=tables)
        return RunRecord(**cell.model_dump(), status="ok", **outcome)


def _values(metrics: tuple[Metric, ...], random: np.random.Generator) -> dict[str, float]:
    """Return a number for every metric, and for every group of it, mostly 1 to 10 in its unit."""
    values = {}
    for metric in metrics:
        groups = [f"{by.prefix}{group}" for by in metric.by for group in by.groups or NAMES]
        for key in (metric.key, *groups):
            low, high = metric.least or 0.0, metric.most
            values[key] = float(
                random.uniform(low, high) if high is not None else low + random.uniform(1, 10) / metric.scale
            )
    return values


def _timed(values: dict[str, float], random: np.random.Generator) -> dict[str, Any]:
    """Return the outcome of a latency: samples in blocks, and the values that follow from them."""
    samples = random.gamma(50, random.uniform(0.05, 0.2), 30)
    names = {"p10": 10, "low": 40, "median": 50, "high": 60, "p90": 90}
    values |= {f"latency_ms/{name}": float(np.percentile(samples, share)) for name, share in names.items()}
    blocks = [
        Block(started_at=f"block {block}", process=0, positions=[0] * 5, calibration_ms=1.0) for block in range(6)
    ]
    settings = {"device": "cpu", "batch_size": 1, "blocks": 6, "margin": 0.03, "compared_with": "model0 / add"}
    return {"values": values, "samples": samples.tolist(), "blocks": blocks, "settings": settings}


def _learned(values: dict[str, float], random: np.random.Generator) -> dict[str, dict[str, np.ndarray]]:
    """Return the tables of a training: a loss that falls, scores that rise to where they end."""
    images, validated = np.arange(1, 51) * 8, np.arange(1, 5) * 100
    loss = np.exp(-images / 200) + random.uniform(0, 0.1, len(images))
    scores = {key: end * validated / 400 for key, end in values.items() if key.startswith("val/")}
    curve = {"images": images, "loss": loss, "lr": 0.001 * loss, "images_per_s": np.full(len(images), 50.0)}
    return {"curve": curve, "validations": {"images": validated, **scores}}


def _predicted(random: np.random.Generator) -> Mapping[str, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3)).astype(np.uint8)
    truth = images[..., 0] % len(NAMES)
    prediction = np.where(random.random(truth.shape) < 0.2, 1 - truth, truth)
    return LabelMaps(images, truth, prediction.astype(np.uint8), np.array(NAMES)).arrays()


def check_figure(name: str, measured: Mapping[str, Measured]) -> list[Finding]:
    """Return one Finding per made-up study: a registered figure draws it, or says why there is nothing to show.

    `measured` declares what a study may contain, see `bench.testing.declarations`.
    """
    studies = {
        "one arm": MadeUp(measured, 1),
        "forty arms": MadeUp(measured, 40),
        "no results": MadeUp(measured, 3, frozenset(measured)),
        **{f"no {kind} results": MadeUp(measured, 3, frozenset({kind})) for kind in measured},
    }
    datasets = tuple(f"shapes {number}" for number in range(3)) if figure_kind(name).of_run else ("shapes",)
    findings = []
    for study, made_up in studies.items():
        with TemporaryDirectory() as folder:
            shown = partial(_shown, name, replace(made_up, datasets=datasets), Path(folder))
            findings.append(_finding(study, shown, must_show=study == "forty arms"))
    with TemporaryDirectory() as folder:
        eight = MadeUp(measured, 8, datasets=datasets).write(Path(folder))
        findings += [
            _finding(f"{paper.inches:g} in wide", partial(_fitting, name, eight, paper), must_show=False)
            for paper in map(Paper, WIDTHS)
            if paper != PAGE
        ]
    return findings


def _finding(check: str, show: Callable[[], str], must_show: bool) -> Finding:
    try:
        return Finding(check, True, show())
    except NothingToShow as reason:
        message = f"nothing to show: {reason}"
        return Finding(check, not must_show, f"{message} But this study lacks nothing." if must_show else message)
    except BrokenFigureError as broken:
        return Finding(check, False, f"{broken} Where facts are missing, raise NothingToShow and say which.")
    except Exception as error:
        return Finding(check, False, in_words(error))


def _shown(name: str, made_up: MadeUp, folder: Path) -> str:
    """Draw the study and write the figure's text and tables, as a report does."""
    study, kind, before = made_up.write(folder / "run"), figure_kind(name), _global_figures()
    figures = draw(name, study)
    for view, what in kind.views(study).items():
        save(figures[view], folder / f"{view}.png", "png")
        for role, given in (("alt", kind.alt), ("caption", kind.caption)):
            text = given if isinstance(given, str) else given(*what)
            if not (isinstance(text, str) and text.strip()):
                raise TypeError(f"its {role} is {text!r}, expected a sentence")
        for block in kind.below(*what):
            if not isinstance(block, Table | str):
                raise TypeError(f"`below` gives {block!r:.80}, expected a Table or a sentence")
            if isinstance(block, Table):
                block.write(folder / "tables")
    if _global_figures() != before:
        raise TypeError("it is made with pyplot, which keeps it open: use matplotlib.figure.Figure instead")
    sizes = ("{:.1f} x {:.1f} in".format(*figure.get_size_inches()) for figure in figures.values())
    return f"drawn, {', '.join(sizes)}"


def _fitting(name: str, study: Frames, paper: Paper) -> str:
    """Draw a study for a paper, and require that all of it is inside the figure."""
    for figure in draw(name, study, paper).values():
        with paper.applied():
            figure.draw_without_rendering()  # which lays it out
            inside = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        over = max(-inside.x0, -inside.y0, inside.x1 - width, inside.y1 - height)
        if over > OVER:
            raise ValueError(
                f"at {paper.inches:g} in it reaches {over:.2f} in beyond its edge: lay it out for the width of "
                "reports.style.figure_width(), and sizes with scaled()"
            )
    return f"all of it fits into {paper.inches:g} in"


def _global_figures() -> list[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return pyplot.get_fignums() if pyplot else []
