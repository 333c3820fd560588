"""How far a run is: bars on a terminal, one line per finished cell where there is none."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from skipbench.bench.advance import Advance
from skipbench.bench.measure import MEASUREMENTS
from skipbench.bench.records import Cell, RunRecord
from skipbench.display import human_time, one_line

FOREVER_S = 1e9


class RunProgress:
    """Counts finished cells and says what is left. A context manager: the bars live inside it."""

    def __init__(self, console: Console, cells: Sequence[Cell], missing: Sequence[Cell]) -> None:
        self._console = console
        self._total, self._done = len(cells), len(cells) - len(missing)
        self._missing = {cell.cell_id for cell in missing}
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            speed_estimate_period=FOREVER_S,  # the mean over the whole run: cells differ too much for less
        )
        weight = sum(MEASUREMENTS[cell.kind].weight for cell in missing)
        self._run = self._bars.add_task("run", total=weight, count=self._count())
        self._cell = self._bars.add_task("", total=1.0, count="", visible=False)

    def __enter__(self) -> "RunProgress":
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    @contextmanager
    def measuring(self, cells: Sequence[Cell]) -> Iterator[Advance]:
        """Show `cells`, which are measured together, as the current work; yields what to report shares to."""
        weight = sum(MEASUREMENTS[cell.kind].weight for cell in cells)
        before = self._bars.tasks[self._run].completed
        name = cells[0].name if len(cells) == 1 else f"{cells[0].kind} {cells[0].task}: {len(cells)} arms in turns"
        self._bars.reset(self._cell, description=_shown(name), visible=True)

        def advance(share: float) -> None:
            share = min(share, 1.0)  # the last batch may go beyond the budget
            self._bars.update(self._cell, completed=share)
            self._bars.update(self._run, completed=before + weight * share)

        yield Advance(advance)
        self._done += sum(cell.cell_id in self._missing for cell in cells)  # others are timed again beside them
        advance(1.0)
        self._bars.update(self._run, count=self._count())

    def finished(self, records: Sequence[RunRecord]) -> None:
        """Say how cells ended: failures always, the others where there are no bars to show it."""
        for record in records:
            if record.status == "failed":
                self._console.print(f"[red]failed[/] {_shown(record.name)}: {_shown(record.reason or '')}")
            elif not self._console.is_terminal:
                self._console.print(f"ok     {_shown(record.name)} ({record.seconds or 0:.1f} s)", highlight=False)
        if not self._console.is_terminal:
            self._console.print(f"       {self._count()}{self._left()}", highlight=False)

    def _count(self) -> str:
        return f"{self._done}/{self._total} cells"

    def _left(self) -> str:
        seconds = self._bars.tasks[self._run].time_remaining
        return f", about {human_time(seconds)} left" if seconds else ""


def _shown(text: str) -> str:
    return escape(one_line(text))
