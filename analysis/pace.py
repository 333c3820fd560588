"""How long a run may still take, from what its cells have taken so far."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from math import inf
from statistics import fmean
from typing import TypeVar

from skipbench.bench.records import Cell
from skipbench.bench.records.outcomes import State
from skipbench.bench.records.underway import Underway

Key = TypeVar("Key")
RECENT = 32  # cells that ended last, which say how many run side by side


def time_left(states: Sequence[tuple[Cell, State]], underway: Sequence[Underway] = ()) -> float | None:
    """Return the seconds that the missing cells take, None where nothing tells how long one of them takes.

    Each takes as long as the mean of those of its kind and task that have ended, or of its kind, or as those that
    are `underway` will, less the part of it that is done. As many with a seed run side by side as did among the
    last of their kind, or are underway where none has ended; others run in turns.
    """
    ended = [(cell, state) for cell, state in states if state.status == "ok" and state.seconds]
    shares = {training.cell.cell_id: training.share for training in underway}
    left = 0.0
    for (kind, seeded), missing in _groups(
        [each for each in states if each[1].status == "missing"], lambda cell: (cell.kind, cell.seed is not None)
    ).items():
        like = [(cell, state) for cell, state in ended if cell.kind == kind]
        expected = [training.expected_s for training in underway if training.cell.kind == kind]
        known = [state.seconds or 0.0 for _, state in like] or [seconds for seconds in expected if seconds]
        if not known:
            return None
        of_task = {
            task: fmean(state.seconds or 0.0 for _, state in own)
            for task, own in _groups(like, lambda cell: cell.task).items()
        }
        work = sum(
            of_task.get(cell.task, fmean(known)) * (1 - shares.get(cell.cell_id, 0.0)) for cell, _ in missing
        )
        lanes = side_by_side(state for _, state in like) if like else len(known)
        left += work / (lanes if seeded else 1)
    return left


def _groups(
    states: Iterable[tuple[Cell, State]], key: Callable[[Cell], Key]
) -> dict[Key, list[tuple[Cell, State]]]:
    groups: dict[Key, list[tuple[Cell, State]]] = {}
    for cell, state in states:
        groups.setdefault(key(cell), []).append((cell, state))
    return groups


def side_by_side(states: Iterable[State]) -> float:
    """Return how many cells ran at once, in the mean over the time that the last RECENT took; at least 1."""
    spans = sorted(((_end(state), state.seconds or 0.0) for state in states), reverse=True)[:RECENT]
    covered, until = 0.0, inf
    for end, seconds in spans:
        covered += max(0.0, min(end, until) - (end - seconds))
        until = min(until, end - seconds)
    return max(1.0, sum(seconds for _, seconds in spans) / covered) if covered else 1.0


def _end(state: State) -> float:
    """Return when a cell ended, in seconds since 1970; 0 where its record does not say."""
    try:
        return datetime.fromisoformat(state.created_at or "").timestamp()
    except ValueError:
        return 0.0
