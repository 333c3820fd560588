"""The root of all errors that skipbench raises on purpose, and the sentence for an unknown name. No torch."""

import difflib
from collections.abc import Iterable

from skipbench.display import quoted

MAX_CHOICES = 40  # that are all listed: a list of all timm encoders helps nobody
MAX_NEAREST = 8  # that are listed where there are more


class SkipbenchError(Exception):
    """Base of every error that skipbench raises on purpose; its text is one clear sentence."""


def unknown_name(kind: str, name: str, choices: Iterable[str]) -> str:
    """Return the sentence for an unknown name: its kind, the nearest known name, all choices."""
    known = sorted(choices)
    given = quoted(name)
    near = difflib.get_close_matches(given.strip("'"), known, n=MAX_NEAREST, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    listed = known if len(known) <= MAX_CHOICES else [*near, f"{len(known)} in all"]
    return f"unknown {kind} {given}.{hint} Choices: {', '.join(listed)}."
