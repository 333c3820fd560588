"""Figures of a run, as files."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from skipbench.analysis.frames import Frames, load
from skipbench.bench.files import MARK, require_own, whole_file
from skipbench.display import quoted
from skipbench.errors import unknown_name
from skipbench.reports.choice import chosen_studies, chosen_study, first_study, of_arms
from skipbench.reports.errors import NothingToShow, ReportError
from skipbench.reports.figures import FORMATS, figure_kind, figure_names
from skipbench.reports.letters import number_words, unwritten
from skipbench.reports.paper import PAGE, Paper
from skipbench.reports.style import TALLEST

DPI = 200
_METADATA: dict[str, Any] = {  # no date: the same figure gives the same file
    "svg": {"Date": None, "Creator": MARK},
    "pdf": {"CreationDate": None, "Creator": MARK},
    "png": {"Software": MARK},
}


def draw(kind: str, study: Frames, paper: Paper = PAGE) -> dict[str, Figure]:
    """Return a study's figures of one kind by the names of their files: one, or several, such as one per factor.

    A page after the first has "-2" and so on behind its name.
    Raises ReportError for an unknown kind, where there is nothing to show, and for a broken plug-in.
    """
    return {
        f"{name}-{number}" if number > 1 else name: page
        for name, pages in draw_pages(kind, study, paper).items()
        for number, page in enumerate(pages, 1)
    }


def draw_pages(kind: str, study: Frames, paper: Paper = PAGE) -> dict[str, list[Figure]]:
    """Return the pages of each figure of one kind. Raises as `draw` does."""
    figure, drawn = figure_kind(kind), dict[str, list[Figure]]()
    names = [*study.run.arms["arm"], study.title, *(metric.label for metric in study.metrics.values())]
    with figure.guarded(), paper.applied():
        for name, what in figure.views(study).items():
            given: Any = figure.draw(*what)
            drawn[name] = list(given) if isinstance(given, list | tuple) else [given]
            for page in drawn[name]:
                if not isinstance(page, Figure):
                    raise TypeError(f"it returns {quoted(page)}, expected a matplotlib Figure")
                number_words(page, names)
                paper.fit(page)
        return drawn


def save(figure: Figure, path: Path, form: str, paper: Paper = PAGE) -> Path:
    """Write `figure` to `path` in the format `form`, the same bytes for the same figure.

    Raises ReportError for an unknown format or a file that cannot be written.
    """
    _require_format(form)
    try:
        with whole_file(path) as file, paper.applied():
            figure.savefig(file, format=form, dpi=DPI, metadata=_METADATA[form])
    except OSError as error:
        raise ReportError(f"cannot write {path}: {error.strerror or error}.") from error
    return path


def figure_file(report: Path, prefix: str, name: str, form: str) -> Path:
    """Return the path of a figure in the folder of a report."""
    return report / "figures" / f"{prefix}{name}.{form}"


def require_form(out: Path) -> str:
    """Return the format that a new file's name asks for.

    Raises ReportError for an unknown one, StoreError for a file that skipbench did not write.
    """
    form = out.suffix.removeprefix(".").lower()
    _require_format(form)
    require_own(out)
    return form


def write_figure(make: Callable[[], Figure], out: Path, form: str) -> Path:
    """Make a figure in the style of all figures, write it, and return the file. Raises ReportError."""
    with PAGE.applied():
        figure = make()
    return save(figure, out, form)


def write_plot(
    run_dir: Path,
    kind: str,
    format: str = "png",
    out: Path | None = None,
    task: str | None = None,
    dataset: str | None = None,
    arms: Sequence[str] = (),
    paper: Paper = PAGE,
) -> list[Path]:
    """Draw the figures of one kind (see `reports.figures.figure_names`) of a study and return the files' paths.

    Where a run has several studies, `task` and `dataset` choose one. `arms` are labels or shell-style patterns of
    those that are drawn; all are without any. `out` is the file, by default one in the run folder: in
    report/figures where the run's report has the same, else in figures; where there are several figures, their
    names are added to it. Raises ReportError where the kind, the format, an arm or the study is unknown or
    ambiguous, or there is nothing to show; StoreError where `run_dir` holds no run, or `out` is a file that
    skipbench did not write.
    """
    figure = figure_kind(kind)  # before a large run is read
    _require_format(format)
    task, dataset = (None, None) if figure.of_run else (task, dataset)
    run = of_arms(load(run_dir, task, dataset), arms)
    prefix, study = ("", first_study(run)) if figure.of_run else chosen_study(run, task, dataset)
    drawn = draw(kind, study, paper)
    files = {name: _file(run_dir, f"{prefix}{name}", format, bool(arms), paper) for name in drawn}
    if out is not None:
        several = len(drawn) > 1
        files = {name: out.with_name(f"{out.stem}-{name}{out.suffix}") if several else out for name in drawn}
        for file in files.values():
            require_own(file)
    with figure.guarded(passing=ReportError):
        written = [save(drawn[name], file, format, paper) for name, file in files.items()]
    _tell(drawn, paper)
    return written


def write_plots(
    run_dir: Path,
    format: str = "png",
    out: Path | None = None,
    task: str | None = None,
    dataset: str | None = None,
    arms: Sequence[str] = (),
    paper: Paper = PAGE,
) -> tuple[list[Path], list[str]]:
    """Draw every figure, and return the files' paths and, of figures without facts, sentences that say why.

    `out` is a folder; the others are those of `write_plot`, which says what is raised, and leave several studies.
    """
    _require_format(format)
    run = of_arms(load(run_dir), arms)
    chosen = chosen_studies(run, task, dataset)
    files, lacking, figures = list[Path](), list[str](), dict[str, Figure]()
    for kind in figure_names():
        figure = figure_kind(kind)
        for prefix, study in {"": first_study(run)}.items() if figure.of_run else chosen.items():
            try:
                drawn = draw(kind, study, paper)
            except NothingToShow as reason:
                lacking.append(f"{kind}{'' if figure.of_run else f', {study.title}'}: {reason}")
                continue
            figures |= {f"{prefix}{name}": picture for name, picture in drawn.items()}
            for name, picture in drawn.items():
                file = _file(run_dir, f"{prefix}{name}", format, bool(arms), paper)
                if out is not None:
                    file = out / file.name
                    require_own(file)
                with figure.guarded(passing=ReportError):
                    files.append(save(picture, file, format, paper))
    if not files:
        raise NothingToShow(lacking[0])
    _tell(figures, paper)
    return files, lacking


def _tell(figures: Mapping[str, Figure], paper: Paper) -> None:
    """Say which numbers stand for words that could not be written, and which figures are higher than a page."""
    high = {} if paper.width == "page" else {name: figure.get_figheight() for name, figure in figures.items()}
    too_high = [
        f"{name} is {inches:.0f} in high, more than a page; --arms draws some arms of it."
        for name, inches in high.items()
        if inches > TALLEST + 0.01  # what pages are cut for, up to rounding
    ]
    for sentence in [*unwritten(figures.values()), *too_high]:
        logging.getLogger("skipbench").warning("note: %s", sentence)


def _file(run_dir: Path, name: str, form: str, some_arms: bool, paper: Paper) -> Path:
    """Return where a figure goes by default: among those of the report only if it is as the report has it."""
    if paper == PAGE and not some_arms:
        return figure_file(Path(run_dir) / "report", "", name, form)
    return Path(run_dir) / "figures" / f"{name}{'' if paper.width == 'page' else f'-{paper.width}'}.{form}"


def _require_format(form: str) -> None:
    if form not in FORMATS:
        raise ReportError(unknown_name("format", form, FORMATS))
