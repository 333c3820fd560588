"""The errors that measurement raises; the command line turns each into one sentence and exit code 2."""

import difflib
from collections.abc import Iterable

from skipbench.bench.display import quoted


class BenchError(Exception):
    """Base of every error that `bench` raises on purpose; its text is one clear sentence."""


class SuiteError(BenchError):
    """A suite, an override or a command-line option is wrong."""


class DataError(BenchError):
    """A data folder or one of its files cannot be used."""


class StoreError(BenchError):
    """A run folder cannot be opened, is in use, or belongs to another suite."""


class PluginError(BenchError):
    """A plug-in file cannot be imported or breaks the contract it registers for."""


def unknown_name(kind: str, name: str, choices: Iterable[str]) -> str:
    """Return the sentence for an unknown name: what it is, the nearest right one, all choices."""
    known = sorted(choices)
    given = quoted(name)
    near = difflib.get_close_matches(given.strip("'"), known, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"unknown {kind} {given}.{hint} Choices: {', '.join(known)}."
