"""`skipbench recommend`: which arm of a run to take, within limits on cost and score."""

import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skipbench.bench.cli.options import DatasetName, FormatOption, RunFolder, TaskName
from skipbench.bench.cli.output import Format, print_rows, print_table
from skipbench.bench.cli.recommend_words import export, lines, more_seeds, sentences
from skipbench.bench.errors import BenchError, SuiteError
from skipbench.display import quoted

if TYPE_CHECKING:
    from skipbench.analysis.frames import Frames
    from skipbench.analysis.recommendation import Recommendation

SUFFIXES = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
NUMBER = re.compile(rf"(\d+\.?\d*(?:[eE][+-]?\d+)?) ?({'|'.join(SUFFIXES)})?(?:B)?")


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(recommend)


def recommend(
    directory: RunFolder,
    task: TaskName = None,
    dataset: DatasetName = None,
    max_latency_ms: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Milliseconds of the median forward pass, as the run timed it."),
    ] = None,
    max_macs: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Multiply-accumulates: 1.5e9, 1.5G.")
    ] = None,
    max_params: Annotated[str | None, typer.Option(metavar="NUMBER", help="Parameters: 2.5e6, 2.5M.")] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER", help="Bytes that activations of one image hold at once in inference: 2M, 1.5MiB."
        ),
    ] = None,
    min_score: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER", help="The first score at least, as it is recorded: 0.7, or 70%; of an error, at most."
        ),
    ] = None,
    format: FormatOption = Format.table,
) -> None:
    """Name the arm to take within limits on cost and score, or the shortlist where the seeds do not tell one.

    Of each study: which arms surely keep the limits, how often each is the best when seeds are drawn anew, its
    difference to the best mean with a 95 % interval, and whether another that costs no more scores surely higher.
    Then the command that adds the seeds that would settle more, and the one that exports the choice. Fewer than six
    seeds are described, not tested. docs/recommend.md says what the words mean.

    \b
    Examples:
      skipbench recommend runs/quick --task pose --max-latency-ms 20
      skipbench recommend runs/quick --max-params 0.5M --min-score 70%
      skipbench recommend runs/quick --task segmentation --max-macs 50M --format json
    """
    given = {
        "latency_ms/median": ("--max-latency-ms", max_latency_ms),
        "macs/total": ("--max-macs", max_macs),
        "params/total": ("--max-params", max_params),
        "peak_bytes/inference": ("--max-memory", max_memory),
    }
    most = {key: read_number(option, text) for key, (option, text) in given.items() if text is not None}
    least = None if min_score is None else read_share("--min-score", min_score)

    from skipbench.analysis.frames import load
    from skipbench.analysis.recommendation import Limits, recommend
    from skipbench.reports.choice import chosen_studies

    found, why = list["Recommendation"](), list[str]()
    for study in chosen_studies(load(directory, task, dataset), task, dataset).values():
        _check_score(study, least, min_score)
        try:
            found.append(recommend(study, Limits(most, least)))
        except BenchError as error:
            why.append(str(error))
    if not found:
        raise BenchError(" ".join(why))
    rows = [row for one in found for row in _rows(one)]
    if format is not Format.table:
        print_rows(format, rows, [detail for one in found for detail in _details(one, directory)], [])
        print(*why, sep="\n", end="\n" if why else "", file=sys.stderr)
        return
    for one in found:
        limits = one.limits.told(one.study, one.score)
        print_table(list(lines(one)), f"{one.study.title}, {limits or 'without limits'}")
        print("\n".join(sentences(one, directory)), end="\n\n")
    for sentence in why:
        print(sentence)


def read_number(option: str, text: str) -> float:
    """Return the number above 0 that is meant by 20, 1.5e6, 1.5M, 2G or 512MiB. Raises SuiteError."""
    match = NUMBER.fullmatch(text.strip())
    number = float(match[1]) * SUFFIXES.get(match[2], 1) if match else 0.0
    if not 0 < number < math.inf:
        raise SuiteError(f"{option} is {quoted(text)}, expected a number above 0, such as 20, 1.5e6, 1.5M or 2G.")
    return number


def read_share(option: str, text: str) -> float:
    """Return the number that is meant by 0.7 or 70%. Raises SuiteError."""
    try:
        number = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise SuiteError(
            f"{option} is {quoted(text)}, expected a number as scores are recorded, such as 0.7 or 70%."
        )
    return number


def _check_score(study: "Frames", least: float | None, given: str | None) -> None:
    from skipbench.analysis.summaries import headline

    score = headline(study)
    if least is None or score is None or score.within(least):
        return
    ends = " to ".join("any" if end is None else f"{end:g}" for end in (score.least, score.most))
    raise SuiteError(f"--min-score is {given}, and {score.label} is recorded as a number from {ends}; 70% is 0.7.")


def _rows(found: "Recommendation") -> Iterator[dict[str, Any]]:
    """Yield a flat row per arm; what is not known is left out."""
    task, dataset = found.study.cells[["task", "dataset"]].iloc[0]
    shortlist = found.shortlist
    for row in found.arms.to_dict("records"):
        known = {str(key): value for key, value in row.items() if value == value and value != math.inf}
        known |= {key: int(known[key]) for key in ("pairs", "seeds_needed") if key in known}
        yield {
            "task": task,
            "dataset": dataset,
            "arm": known.pop("arm"),
            "shortlist": row["arm"] in shortlist,
            "choice": shortlist == [row["arm"]],
            "score": found.score.key,
            **known,
        }


def _details(found: "Recommendation", directory: Path) -> Iterator[dict[str, Any]]:
    """Yield what an arm has beside its row: the commands for it."""
    more = more_seeds(found, directory)
    for arm in found.arms.arm:
        commands = {"export": export(found, directory, arm), "more_seeds": more if arm in found.shortlist else None}
        yield {name: command for name, command in commands.items() if command}
