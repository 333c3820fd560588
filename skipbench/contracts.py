"""What the contracts of all kinds of parts are checked with, and what comes of a check. Imports no torch."""

from dataclasses import dataclass

from skipbench.errors import SkipbenchError


class BrokenContractError(SkipbenchError):
    """A part breaks its contract; the text says how, and how to fix it."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check; a `remark` is a contract that is kept, though not for everything that was tried."""

    check: str
    ok: bool
    message: str
    remark: bool = False


def require(holds: bool, sentence: str) -> None:
    """Raise BrokenContractError with the sentence unless it holds."""
    if not holds:
        raise BrokenContractError(sentence)
