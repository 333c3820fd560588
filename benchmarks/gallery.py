"""The gallery of the docs: every built-in figure of a run, as it fits one column of a paper, and how to make it.

    skipbench run quick
    skipbench run morph --out runs/steps "arms=[{morph: [hourglass, fpn]}]" "seeds=[0, 1]" recipe.images=64
    python benchmarks/gallery.py runs/quick runs/steps

Writes docs/gallery.md and a small picture of each figure to docs/gallery, of the first run that has what it shows.
"""

import argparse
import shutil
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from skipbench.analysis.frames import Frames, load
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import FIGURES, figure_kind
from skipbench.reports.paper import Paper
from skipbench.reports.plot import draw, save

COLUMN = Paper("column")
COLORS = 96  # of a picture, so that it is small
HEAD = """# Gallery

<!-- none is run: they take finished runs; tests/reports draw every figure -->

Every built-in figure of a run, as wide as one column of a paper (`--width column`, 3.3 in; `two-column` is 6.9 in),
each with the command that draws it. `--format pdf` or `svg` gives vectors, `--arms "unet*"` some arms, `--style`
and `--font-size` another look ([figures and tables for papers](papers.md)), `skipbench plot RUN all` all of them.
These are of the `quick` suite, the morph of a small run, and `benchmarks/gallery.py` makes this page.
"""


def small(figure: Figure, file: Path) -> None:
    """Write a figure as a PNG of few colours."""
    save(figure, file, "png", COLUMN)
    with Image.open(file) as image:
        few = image.convert("RGB").quantize(COLORS)
    few.save(file, optimize=True)


def shown(name: str, runs: dict[Path, Frames]) -> tuple[Frames, str]:
    """Return the first run's first study that has what a figure shows, and its folder's name."""
    for folder, run in runs.items():
        for study in run.studies():
            try:
                draw(name, study, COLUMN)
            except NothingToShow:
                continue
            return study, f"runs/{folder.name}"
    raise SystemExit(f"no run has what the figure '{name}' shows")


def entry(name: str, runs: dict[Path, Frames], folder: Path) -> str:
    """Draw a figure and return its part of the page."""
    kind, (study, run) = figure_kind(name), shown(name, runs)
    view, what = next(iter(kind.views(study).items()))
    small(draw(name, study, COLUMN)[view], folder / f"{name}.png")
    caption, alt = (text if isinstance(text, str) else text(*what) for text in (kind.caption, kind.alt))
    task = "" if kind.of_run else f" --task {study.cells.task.iloc[0]}"
    command = f"skipbench plot {run} {name}{task} --width column --format pdf"
    picture = f'<img src="gallery/{name}.png" width="330" alt="{alt}">'
    return f"\n## {name}: {kind.title}\n\n{picture}\n\n{caption}\n\n```bash\n{command}\n```\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="finished run folders")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="the folder of the page")
    arguments = parser.parse_args()
    runs, folder = {run: load(run) for run in arguments.runs}, arguments.out / "gallery"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parts = [entry(name, runs, folder) for name in sorted(FIGURES.own)]
    (arguments.out / "gallery.md").write_text(HEAD + "".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
