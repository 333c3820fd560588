"""How far a run is: bars on a terminal; else a line per finished cell, and one each half minute."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.run.heartbeat import Heartbeat
from skipbench.bench.run.session import Ended, Session
from skipbench.display import human_time, one_line

FOREVER_S = 1e9


class RunProgress:
    """Counts finished cells and says what is left. A context manager: the bars live inside it."""

    def __init__(self, console: Console, cells: Sequence[Cell], sessions: Sequence[Session]) -> None:
        self._console = console
        self._total, self._done = len(cells), len(cells) - sum(len(session.lacking) for session in sessions)
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
        weight = sum(session.weight for session in sessions)
        self._run = self._bars.add_task("run", total=weight, count=self._count())
        self._weight_done = 0.0
        self._current: dict[str, tuple[TaskID, float]] = {}  # by session: its bar, and its part of the work as done
        self._heartbeat = Heartbeat(console, self._line)

    def __enter__(self) -> "RunProgress":
        self._bars.start()
        self._heartbeat.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._heartbeat.__exit__(None, None, None)
        self._bars.stop()

    def begin(self, session: Session) -> Callable[[float], None]:
        """Show a session as current work; return what to tell its share."""
        bar = self._bars.add_task(_shown(session.name), total=1.0, count="", visible=not session.rehearsal)

        def show(share: float) -> None:
            share = min(share, 1.0)  # the last batch may go beyond the budget
            self._current[session.key] = bar, session.weight * share
            self._bars.update(bar, completed=share)
            self._show_all()

        show(0.0)
        return show

    def end(self, ended: Ended, records: Sequence[RunRecord]) -> None:
        """Say how cells ended: failures always, the others where there are no bars to show it."""
        for key in ended.session.lacking & self._current.keys():
            bar, _ = self._current.pop(key)
            self._bars.remove_task(bar)
        self._weight_done += ended.session.weight
        self._done += len(ended.session.lacking)
        self._show_all()
        for record in records:
            if record.status == "failed":
                self._console.print(f"[red]failed[/] {_shown(record.name)}: {_shown(record.reason or '')}")
            elif not self._console.is_terminal:
                self._console.print(f"ok     {_shown(record.name)} ({record.seconds or 0:.1f} s)", highlight=False)
        if not self._console.is_terminal:
            self._console.print(f"       {self._count()}{self._left()}", highlight=False)
        self._heartbeat.printed()

    def say(self, sentence: str) -> None:
        """Show a sentence above the bars."""
        self._console.print(_shown(sentence), highlight=False)
        self._heartbeat.printed()

    def _line(self) -> str:
        """Return what is under way, in a line."""
        tasks = {task.id: task for task in list(self._bars.tasks)}
        bars = [tasks[bar] for bar, _ in list(self._current.values()) if bar in tasks]
        under_way = ", ".join(f"{bar.description} at {bar.completed:.0%}" for bar in bars)
        return f"       {self._count()}{self._left()}: {under_way or 'beginning'}"

    def _show_all(self) -> None:
        done = self._weight_done + sum(part for _, part in self._current.values())
        self._bars.update(self._run, completed=done, count=self._count())

    def _count(self) -> str:
        return f"{self._done}/{self._total} cells"

    def _left(self) -> str:
        seconds = self._bars.tasks[self._run].time_remaining
        return f", about {human_time(seconds)} left" if seconds else ""


def _shown(text: str) -> str:
    return escape(one_line(text))
