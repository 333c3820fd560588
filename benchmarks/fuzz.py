"""Give every reader of files what nobody meant to give it, and count what ends in anything but a sentence.

    python benchmarks/fuzz.py [--cases 20000] [--seed 0] [--summary FILE.md]

Suites, overrides, annotations, configs, checkpoints and run folders are made sound first, then damaged at
random: in their structure, in their text, in their bytes. A case is right where it succeeds or raises
SkipbenchError in one sentence, within the limits of time and memory. `tests/test_fuzz.py` is the
short form.
"""

import argparse
import contextlib
import random
import resource
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fuzz_readers import annotations, checkpoint, config, override, run_folder, suite

from skipbench.errors import SkipbenchError

LIMIT_S = 10  # of processor time, for one case
MEMORY_BYTES = 16 << 30  # more than the process has now, for all cases
LONGEST = 1000  # characters of a sentence


@dataclass
class Tally:
    """How the cases of one kind ended."""

    cases: int = 0
    refused: int = 0
    seconds: float = 0.0  # of processor time
    slowest_s: float = 0.0
    wrong: list[str] = field(default_factory=list)  # tracebacks and overlong sentences


class TooSlow(BaseException):
    """A case took more processor time than it may."""


SHARES: dict[Callable[[Path, random.Random], None], int] = {  # of a hundred cases
    suite: 35,
    override: 25,
    annotations: 20,
    config: 8,
    checkpoint: 7,
    run_folder: 5,  # which takes as long as all others
}


def fuzz(cases: int, seed: int, place: Path, first: int = 0) -> dict[str, Tally]:
    """Return how `cases` cases end, drawn from `seed`, from number `first` on; `place` is a folder to work in."""
    tallies = {kind.__name__: Tally() for kind in SHARES}
    with limits():
        for number in range(first, first + cases):
            draw = random.Random(f"{seed} {number}")
            (kind,) = draw.choices(list(SHARES), list(SHARES.values()))
            folder = place / "case"
            folder.mkdir()
            attempt(tallies[kind.__name__], f"case {number}", kind, folder, draw)
            shutil.rmtree(folder)
    return tallies


def attempt(
    tally: Tally, name: str, kind: Callable[[Path, random.Random], None], folder: Path, draw: random.Random
) -> None:
    """Run one case and count how it ended."""
    tally.cases += 1
    start = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        kind(folder, draw)
    except SkipbenchError as error:
        tally.refused += 1
        if len(str(error)) > LONGEST:
            tally.wrong.append(
                f"{name} of {kind.__name__}: a sentence of {len(str(error))} characters: {error}"[:500]
            )
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        tally.wrong.append(f"{name} of {kind.__name__}: {''.join(traceback.format_exception(error)[-4:])}")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        taken = time.process_time() - start
        tally.seconds, tally.slowest_s = tally.seconds + taken, max(tally.slowest_s, taken)


@contextlib.contextmanager
def limits() -> Iterator[None]:
    """Bound the memory of this process, and raise TooSlow where a case uses too much processor time."""

    def stop(*_: object) -> None:
        raise TooSlow

    handler = signal.signal(signal.SIGPROF, stop)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, handler)


def summary(tallies: dict[str, Tally], cases: int, seed: int, seconds: float) -> str:
    """Return the tallies as a Markdown page."""
    rows = [
        f"| {name} | {each.cases} | {each.refused} | {each.cases - each.refused - len(each.wrong)} "
        f"| {len(each.wrong)} | {1e3 * each.seconds / max(1, each.cases):.0f} | {each.slowest_s:.2f} |"
        for name, each in tallies.items()
    ]
    wrong = sum(len(each.wrong) for each in tallies.values())
    return "\n".join(
        [
            "# Fuzzing the readers of files",
            "",
            f"`python benchmarks/fuzz.py --cases {cases} --seed {seed}`: {wrong} of {cases} cases ended in",
            f"anything but success or one sentence, in {seconds:.0f} s.",
            "",
            "| what is damaged | cases | refused | read | untyped errors, hangs | mean, ms | slowest, s |",
            "|---|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Run the long form and print or write its summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--summary", type=Path)
    given = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        tallies = fuzz(given.cases, given.seed, Path(place))
    wrong = [each for tally in tallies.values() for each in tally.wrong]
    print("\n".join(wrong))
    counts = Counter(each.strip().splitlines()[-1][:100] for each in wrong)
    print("\n".join(f"{count} x {last}" for last, count in counts.most_common()))
    page = summary(tallies, given.cases, given.seed, time.monotonic() - start)
    print(page)
    if given.summary:
        given.summary.write_text(page)


if __name__ == "__main__":
    main()
