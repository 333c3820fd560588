"""One figure of a run, as a file."""

from pathlib import Path

from analysis.frames import load
from reports.errors import ReportError
from reports.figures import draw, save


def write_plot(run_dir: Path, kind: str, format: str = "png", out: Path | None = None) -> Path:
    """Draw the figure `kind` (see `reports.figures.KINDS`) of a run and return the file's path.

    `out` is the file, by default report/figures/<kind>.<format> in the run folder.
    Raises ReportError where the kind or format is unknown or there is nothing to show, StoreError where
    `run_dir` holds no run.
    """
    studies = load(run_dir).studies()
    if len(studies) != 1:
        raise ReportError(f"{run_dir} holds {len(studies)} studies; write its report, which draws each of them.")
    file = out or Path(run_dir) / "report" / "figures" / f"{kind}.{format}"
    return save(draw(kind, studies[0]), file, format)
