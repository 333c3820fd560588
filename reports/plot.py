"""One figure of a run, as a file."""

from pathlib import Path

from analysis.frames import Frames, load
from bench.files import require_own
from reports.errors import ReportError
from reports.figures import draw, save
from reports.sections import chapters


def write_plot(
    run_dir: Path,
    kind: str,
    format: str = "png",
    out: Path | None = None,
    task: str | None = None,
    dataset: str | None = None,
) -> Path:
    """Draw the figure `kind` (see `reports.figures.KINDS`) of a study and return the file's path.

    Where a run has several studies, `task` and `dataset` say which. `out` is the file, by default the one
    in report/figures in the run folder that the report of the run has too.
    Raises ReportError where the kind, format or study is unknown, it is open which study is meant, or there
    is nothing to show; StoreError where `run_dir` holds no run, or `out` is a file that skipbench did not write.
    """
    studies = load(run_dir).studies()
    found = [study for study in studies if _is(study, task, dataset)]
    if len(found) != 1:
        held = ", ".join(study.title for study in studies) or "none"
        what = f"{len(found)} of its studies fit" if found else "none of its studies fits"
        raise ReportError(
            f"{run_dir}: {what} what is asked for; choose one with --task and --dataset. Its studies: {held}."
        )
    (chapter,) = [part for part in chapters(studies, Path(run_dir) / "report") if part.study is found[0]]
    if out is not None:
        require_own(out)
    return save(draw(kind, found[0]), out or chapter.figure(kind, format), format)


def _is(study: Frames, task: str | None, dataset: str | None) -> bool:
    first = study.cells.iloc[0]
    return task in (None, first.task) and dataset in (None, first.dataset)
