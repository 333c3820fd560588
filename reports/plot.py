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
    """Return the figures of one kind of a study by the names of their files: one, or one for each of some things.

    Raises ReportError: unknown kind, nothing to show, a broken plug-in.
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
    """Return how the names of each study's files and anchors begin: "pose-on-scenes-"; an only study's: ""."""
    return [f"{slug(study.title)}-" if len(studies) > 1 else "" for study in studies]


def figure_file(report: Path, prefix: str, name: str, form: str) -> Path:
    """Return where a figure lies in the folder of a report."""
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

    Where a run has several studies, `task` and `dataset` say which. `out` is the file, by default the one
    in report/figures in the run folder that the report of the run has too; of several figures each adds its name.
    Raises ReportError where the kind, format or study is unknown, it is open which study is meant, or there
    is nothing to show; StoreError where `run_dir` holds no run, or `out` is a file that skipbench did not write.
    """
    figure = figure_kind(kind)  # before a large run is read
    _require_format(format)
    studies = load(run_dir, task, dataset).studies()
    named = dict(zip(prefixes(studies), studies, strict=True))
    found = {prefix: study for prefix, study in named.items() if _is(study, task, dataset)}
    if len(found) != 1:
        held = ", ".join(study.title for study in studies) or "none"
        what = f"{len(found)} of its studies fit" if found else "none of its studies fits"
        raise ReportError(
            f"{run_dir}: {what} what is asked for; choose one with --task and --dataset. Its studies: {held}."
        )
    ((prefix, study),) = found.items()
    drawn = draw(kind, study)
    files = {name: _file(run_dir, prefix, name, format, out, len(drawn)) for name in drawn}
    with figure.guarded(passing=ReportError):
        return [save(drawn[name], file, format) for name, file in files.items()]


def _file(run_dir: Path, prefix: str, name: str, form: str, out: Path | None, figures: int) -> Path:
    """Return where one of some `figures` is written. Raises StoreError where that is somebody else's file."""
    if out is None:
        return figure_file(Path(run_dir) / "report", prefix, name, form)
    file = out if figures == 1 else out.with_name(f"{out.stem}-{name}{out.suffix}")
    require_own(file)
    return file


def _require_format(form: str) -> None:
    if form not in FORMATS:
        raise ReportError(unknown_name("format", form, FORMATS))


def _is(study: Frames, task: str | None, dataset: str | None) -> bool:
    first = study.cells.iloc[0]
    return task in (None, first.task) and dataset in (None, first.dataset)
