"""One figure of a run, as a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from skipbench.analysis.frames import Frames, load
from skipbench.bench.files import MARK, require_own, whole_file
from skipbench.display import quoted
from skipbench.errors import unknown_name
from skipbench.reports.errors import ReportError
from skipbench.reports.figures import FORMATS, figure_kind, slug
from skipbench.reports.style import RC

DPI = 200
_METADATA: dict[str, Any] = {  # no date: the same figure gives the same file
    "svg": {"Date": None, "Creator": MARK},
    "pdf": {"CreationDate": None, "Creator": MARK},
    "png": {"Software": MARK},
}


def draw(kind: str, study: Frames) -> dict[str, Figure]:
    """Return a study's figures of one kind by the names of their files: one, or several, such as one per factor.

    Raises ReportError for an unknown kind, where there is nothing to show, and for a broken plug-in.
    """
    figure = figure_kind(kind)
    with figure.guarded(), matplotlib.rc_context(RC):
        drawn: dict[str, Any] = {name: figure.draw(*what) for name, what in figure.views(study).items()}
        for given in drawn.values():
            if not isinstance(given, Figure):
                raise TypeError(f"it returns {quoted(given)}, expected a matplotlib Figure")
        return drawn


def save(figure: Figure, path: Path, form: str) -> Path:
    """Write `figure` to `path` in the format `form`, the same bytes for the same figure.

    Raises ReportError for an unknown format or a file that cannot be written.
    """
    _require_format(form)
    try:
        with whole_file(path) as file, matplotlib.rc_context(RC):
            figure.savefig(file, format=form, dpi=DPI, metadata=_METADATA[form])
    except OSError as error:
        raise ReportError(f"cannot write {path}: {error.strerror or error}.") from error
    return path


def prefixes(studies: Sequence[Frames]) -> list[str]:
    """Return the prefix of each study's file names and anchors: "pose-on-scenes-", or "" for a single study."""
    return [f"{slug(study.title)}-" if len(studies) > 1 else "" for study in studies]


def figure_file(report: Path, prefix: str, name: str, form: str) -> Path:
    """Return the path of a figure in the folder of a report."""
    return report / "figures" / f"{prefix}{name}.{form}"


def write_plot(
    run_dir: Path,
    kind: str,
    format: str = "png",
    out: Path | None = None,
    task: str | None = None,
    dataset: str | None = None,
) -> list[Path]:
    """Draw the figures of one kind (see `reports.figures.figure_names`) of a study and return the files' paths.

    Where a run has several studies, `task` and `dataset` choose one. `out` is the file, by default the one in
    report/figures in the run folder that the run's report has too; where there are several figures, their names
    are added to it. Raises ReportError where the kind, format or study is unknown or ambiguous, or there is
    nothing to show; StoreError where `run_dir` holds no run, or `out` is a file that skipbench did not write.
    """
    figure = figure_kind(kind)  # before a large run is read
    _require_format(format)
    if figure.of_run:
        task = dataset = None
    studies = load(run_dir, task, dataset).studies()
    named = {"": studies[0]} if figure.of_run and studies else dict(zip(prefixes(studies), studies, strict=True))
    matching = {
        prefix: study
        for prefix, study in named.items()
        if task in (None, study.cells.task.iloc[0]) and dataset in (None, study.cells.dataset.iloc[0])
    }
    if len(matching) != 1:
        titles = ", ".join(study.title for study in studies) or "none"
        raise ReportError(
            f"{len(matching) or 'none'} of the studies in {run_dir} match{'' if matching else 'es'}; choose one "
            f"with --task and --dataset. Its studies: {titles}."
        )
    ((prefix, study),) = matching.items()
    drawn = draw(kind, study)
    files = {name: _file(run_dir, prefix, name, format, out, len(drawn)) for name in drawn}
    with figure.guarded(passing=ReportError):
        return [save(drawn[name], file, format) for name, file in files.items()]


def _file(run_dir: Path, prefix: str, name: str, form: str, out: Path | None, figures: int) -> Path:
    """Return the path of one of `figures` figures. Raises StoreError for a file that skipbench did not write."""
    if out is None:
        return figure_file(Path(run_dir) / "report", prefix, name, form)
    file = out if figures == 1 else out.with_name(f"{out.stem}-{name}{out.suffix}")
    require_own(file)
    return file


def _require_format(form: str) -> None:
    if form not in FORMATS:
        raise ReportError(unknown_name("format", form, FORMATS))
