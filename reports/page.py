"""The report of a run: one self-contained HTML page, with its tables and figures as files beside it."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from skipbench.analysis.frames import Frames, load
from skipbench.bench.files import MARK, write_whole
from skipbench.reports.bands import bands
from skipbench.reports.blocks import Block, Panel, Picture, Records, Section, Sentences
from skipbench.reports.choice import first_study, prefixes
from skipbench.reports.errors import BrokenFigureError, NothingToShow, ReportError
from skipbench.reports.figures import FigureKind, figure_kind, figure_names
from skipbench.reports.figures.answer import shows_all_effects
from skipbench.reports.letters import unwritten
from skipbench.reports.plot import draw_pages, figure_file, save
from skipbench.reports.records import record_list
from skipbench.reports.sections import answer, claims, computed, costs, found, gaps, machine, method, others
from skipbench.reports.shell import page
from skipbench.reports.spread import grid, sources, stable_ranks
from skipbench.reports.tables import Table
from skipbench.reports.whole import at_a_glance, reproduce

Part = str | Callable[[Frames], Iterable[Block]]  # a figure's name, or sentences and tables


class Entry(NamedTuple):
    """A section of the page: anchor, heading ("": its figure's title), parts of the run, parts of each study."""

    anchor: str
    heading: str
    of_run: tuple[Part, ...] = ()
    of_study: tuple[Part, ...] = ()


SPREAD: tuple[Part, ...] = (stable_ranks, sources)
PAGE: tuple[Entry, ...] = (
    Entry("answer", "The answer", (answer, "answer")),
    Entry("effects", "What each choice is worth", ("effects",), (found("effects"), "factor", grid)),
    Entry("morphs", "", (), ("morph",)),
    Entry("claims", "Claims", (computed,), (claims,)),
    Entry("accuracy", "Accuracy", (at_a_glance, "critical_difference"), (found("accuracy"), "accuracy", *SPREAD)),
    Entry("groups", "", (), ("breakdown",)),
    Entry("tradeoff", "", (), (found("tradeoff"), "pareto")),
    Entry("predictions", "", (), ("predictions",)),
    Entry("cost", "Cost", (), (found("cost"), costs, "cost", others)),
    Entry("latency", "Latency", (), (found("latency"), "ratios", "latency")),
    Entry("curves", "", (), ("curves",)),
    Entry("gaps", "Failures and missing cells", (found("gaps"), gaps)),
    Entry("method", "Method", (), (found("data", "method"), method)),
    Entry("environment", "Environment and how to reproduce", (found("environment"), machine, reproduce)),
    Entry("records", "Records", (record_list,)),
)
FOLDED = {  # figures that few readers need, and what is written on them
    "factor": "The picture of this factor alone",
    "latency": "Every timed forward pass",
    "critical_difference": "Ranks over all tasks and datasets",
}
CLAIM = ".skipbench-report"  # marks a folder that a report may overwrite


def write_report(run_dir: Path, out: Path | None = None) -> Path:
    """Write the report of the run in `run_dir` to the folder `out`, and return the path of its index.html.

    `out` is by default the folder report/ in the run folder. An unfinished run has a report too: what is missing
    is shown as missing. The same records give the same files.
    Raises StoreError where `run_dir` holds no run, ReportError where `out` cannot be written or holds files that
    this function did not write.
    """
    frames = load(run_dir)
    directory = out or Path(run_dir) / "report"
    try:
        _claim(directory, own=out is None)
        write_whole(directory / "index.html", render(frames, directory))
    except OSError as error:
        raise ReportError(f"cannot write the report to {directory}: {error.strerror or error}.") from error
    return directory / "index.html"


def _claim(folder: Path, own: bool) -> None:
    """Mark a report's folder; refuse one that is neither the run's own, nor marked, nor empty."""
    taken = folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    if taken and not own and not (folder / CLAIM).is_file():
        raise ReportError(f"{folder} holds files that `skipbench report` did not write; choose another --out.")
    write_whole(folder / CLAIM, f"{MARK} report, which overwrites the files in this folder.\n")


def render(frames: Frames, directory: Path, live: bool = False) -> str:
    """Return the page of a run, and write its tables and figures to `directory`.

    One that is `live` has a line of its own on how far the run is, and a script that renews it. Raises ReportError.
    """
    return page(frames, [_section(entry, frames, directory) for entry in entries()], live)


def entries() -> list[Entry]:
    """Return PAGE with an entry for each plugged-in figure, before the section of missing cells."""
    named = {part for entry in PAGE for part in (*entry.of_run, *entry.of_study)}
    plugged = []
    for name in (name for name in figure_names() if name not in named):
        parts: dict[str, Any] = {"of_run" if figure_kind(name).of_run else "of_study": (name,)}
        plugged.append(Entry(f"figure-{name}", figure_kind(name).title, **parts))
    place = [entry.anchor for entry in PAGE].index("gaps")
    return [*PAGE[:place], *plugged, *PAGE[place:]]


def _section(entry: Entry, run: Frames, directory: Path) -> Section:
    """Return a section, and write its figures and tables. Where it has nothing to show, it says why."""
    studies = run.studies()
    title = entry.heading or figure_kind(str(entry.of_study[-1])).title
    shown, why = _blocks(entry.of_run, run, directory, "")
    panels = []
    for study, prefix in zip(studies if entry.of_study else (), prefixes(studies), strict=False):
        blocks, reasons = _blocks(entry.of_study, study, directory, prefix)
        why += reasons
        panels.append((Panel(f"{prefix}{entry.anchor}", study.title, blocks or [Sentences(reasons)]), bool(blocks)))
    filled = [panel for panel, has_facts in panels if has_facts]
    if not shown and not filled:
        return Section(entry.anchor, title, [Sentences(list(dict.fromkeys(why)))], ())
    if len(studies) == 1 or not filled:
        lacking = [] if filled or not entry.of_study else [Sentences(list(dict.fromkeys(why)))]
        own = [block for panel in filled for block in panel.blocks]
        return Section(entry.anchor, title, [*shown, *own, *lacking], ())
    return Section(entry.anchor, title, shown, [panel for panel, _ in panels])


def _blocks(parts: Iterable[Part], frames: Frames, directory: Path, prefix: str) -> tuple[list[Block], list[str]]:
    """Return the blocks of some parts, their tables written, and the sentences that say why others have none."""
    made = [_part(part, frames, directory, prefix) for part in parts]
    shown = [block for blocks in made if not isinstance(blocks, NothingToShow) for block in blocks]
    for block in shown:
        if isinstance(block, Table | Records):
            block.write(directory / "tables", prefix)
    why = [str(reason) for reason in made if isinstance(reason, NothingToShow)]
    if shown and why and all(isinstance(block, Sentences) for block in shown):  # they may not say why that is all
        return [*shown, Sentences(why)], []
    return shown, why


def _part(part: Part, frames: Frames, directory: Path, prefix: str) -> list[Block] | NothingToShow:
    """Return the blocks of one part, or why it has nothing to show."""
    try:
        return _figure(part, frames, directory, prefix) if isinstance(part, str) else list(part(frames))
    except NothingToShow as reason:
        return reason
    except BrokenFigureError as reason:
        return [Sentences([str(reason)], "limits")]


def _figure(kind: str, frames: Frames, directory: Path, prefix: str) -> list[Block]:
    """Return the blocks of a figure, written as PNG and SVG."""
    figure = figure_kind(kind)
    study, blocks = first_study(frames) if figure.of_run else frames, list[Block]()
    drawn = draw_pages(kind, study)
    for name, what in figure.views(study).items():
        with figure.guarded():
            texts = (figure.alt, figure.caption)
            alt, caption = (text if isinstance(text, str) else text(*what) for text in texts)
            chart = figure.chart(*what) if figure.chart else None
        pictures = list[Block]()
        for number, drawing in enumerate(drawn[name], 1):
            file = _save(figure, drawing, f"{name}-{number}" if number > 1 else name, directory, prefix)
            said = " ".join([caption, *unwritten([drawing])])
            of_arms = [] if chart else bands(drawing)
            pictures.append(Picture(file, alt, said, chart, FOLDED.get(kind, ""), of_arms))
        if kind != "effects" or not shows_all_effects(study):  # else the answer's picture has all of them
            blocks += pictures
        with figure.guarded():
            for block in figure.below(*what):
                if isinstance(block, Table):
                    block.first(1)  # raises here where a column is wrong
                blocks.append(Sentences([block]) if isinstance(block, str) else block)
    return blocks


def _save(figure: FigureKind, drawing: Figure, name: str, directory: Path, prefix: str) -> Path:
    """Write a page of a figure as PNG and SVG, and return the file that is embedded."""
    with figure.guarded(passing=ReportError):
        files = {form: save(drawing, figure_file(directory, prefix, name, form), form) for form in ("png", "svg")}
        return files[figure.embed]
