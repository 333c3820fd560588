"""RESULTS.md: what runs have shown, with their budget and seeds, and what they cannot show."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from skipbench.analysis.answers import answers
from skipbench.analysis.breakdowns import definition, measured_breakdowns, reference
from skipbench.analysis.frames import Frames, load
from skipbench.analysis.limits import limits
from skipbench.analysis.summaries import ONCE, PER_RUN, headline, results, scores
from skipbench.analysis.text import distinct
from skipbench.bench.files import write_whole
from skipbench.bench.records import SIZES
from skipbench.bench.records.metrics import Metric
from skipbench.reports.errors import ReportError
from skipbench.reports.sections import claims_table, tested_claims
from skipbench.reports.tables import ARM, Column, Table, each_seed, facts_table, measured, value, without_html
from skipbench.reports.whole import overview_table

FIRST_LINE = "<!-- Written by `skipbench results`, which overwrites changes made by hand. -->"
UNKNOWN = "not recorded"
WHERE_SAID = {  # facts that only some records have
    "data.resize": "images come to that size by data.resize",
    "data.overlap": "windows share of a side",
    "data.own_pixels": "scored in the images' own px",
    "minutes": "budget in minutes",
    "minutes_for": "minutes are for each",
    "alike": "arms have equal",
}


def write_results(run_dirs: Sequence[Path], out: Path) -> Path:
    """Write what the runs in `run_dirs` have shown as the Markdown file `out`, and return its path.

    The same records give the same file. Raises StoreError where a folder holds no run, ReportError where
    `out` cannot be written or is a file that this function did not write.
    """
    runs = [load(folder) for folder in run_dirs]
    _refuse_foreign(out)
    command = shlex.join(["skipbench", "results", *map(str, run_dirs), "--out", str(out)])
    environment = Environment(
        loader=PackageLoader("skipbench.reports"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.get_template("results.md.j2")
    content = template.render(first_line=FIRST_LINE, command=command, runs=list(map(_run, runs)))
    try:
        write_whole(out, content)
    except OSError as error:
        raise ReportError(f"cannot write {out}: {error.strerror or error}.") from error
    return out


def _refuse_foreign(out: Path) -> None:
    if not out.is_file():
        return
    with out.open(encoding="utf-8", errors="replace") as file:
        if file.readline().rstrip("\n") != FIRST_LINE:
            raise ReportError(f"{out} was not written by skipbench results; choose another file with --out.")


def _run(run: Frames) -> dict[str, Any]:
    studies = run.studies()
    overview = overview_table(run) if len(studies) > 1 else None
    return {
        "name": run.suite.get("name", "run"),
        "description": without_html(str(run.suite.get("description", ""))),
        "overview": None if overview is None or overview.frame.empty else overview.markdown(),
        "claims": claims_table(findings).markdown() if (findings := tested_claims(run)) else None,
        "studies": list(map(_study, studies)),
    }


def _study(study: Frames) -> dict[str, Any]:
    score = headline(study)
    return {
        "title": without_html(study.title),
        "facts": facts_table("facts", "Setup.", _facts(study)).markdown(),
        "arms": results_table(study, score).markdown() if score else None,
        "shown": list(map(without_html, answers(study))),
        "limits": list(map(without_html, limits(study))),
    }


def results_table(study: Frames, score: Metric) -> Table:
    """Return the headline score of each arm with its interval and every seed, beside cost and speed."""
    frame = results(study, score)
    frame["seeds"] = each_seed(frame["arm"], scores(study, score.key), "value", score)
    columns = (
        ARM,
        value("mean", score, f"Mean {score.title}"),
        value("low", score, "95 % low"),
        value("high", score, "95 % high"),
        Column("seeds", "Each seed", number=True),
        *measured(study, frame, (*ONCE, *PER_RUN)),
    )
    once, per_run = study.metric("latency_ms/median"), study.metric("train/images_per_s")
    caption = (
        f"{score.label} on the test images, t-interval over seeds; {once.label.lower()} of one forward pass; "
        f"{per_run.label.lower()} and the share of time spent in forward, backward and optimizer, means over runs."
    )
    return Table("results", caption, frame, columns)


def _facts(study: Frames) -> dict[str, list[str]]:
    """Return what a reader must know to judge the numbers; UNKNOWN for what the records do not say."""
    runs = study.finished("train")
    settings = distinct(record.settings for record in runs)
    environment = distinct(record.environment for record in study.records)
    changed = ", with uncommitted changes" if "True" in environment.get("dirty", []) else ""
    sizes = [definition(study, by) for _, by in measured_breakdowns(study) if by.groups == SIZES]
    length = reference(study)
    return {
        "data": [str(study.cells.dataset.iloc[0])],
        "splits": [_splits(settings)],
        "image size (height, width)": settings.get("data.size", [UNKNOWN]),
        **_where_said(settings),
        **({"sizes": sizes[:1]} if sizes else {}),
        **({"reference": [length]} if length else {}),
        "images seen in training": settings.get("images", [UNKNOWN]),
        "batch size": settings.get("batch_size", [UNKNOWN]),
        "learning rate": settings.get("lr", [UNKNOWN]),
        "seeds": [", ".join(map(str, study.cells.seed.dropna().unique())) or "none"],
        "machine": [", ".join(_all(environment, ("gpu", "cpu", "cores"))) or UNKNOWN],
        "code": [" | ".join(environment.get("commit", [UNKNOWN])) + changed],
        "libraries": [", ".join(_all(environment, ("versions.torch", "versions.timm"))) or UNKNOWN],
        "data fingerprint": sorted({record.data_fingerprint or UNKNOWN for record in runs}) or [UNKNOWN],
        "measured": [max((record.created_at[:10] for record in study.records), default="nothing yet")],
    }


def _where_said(settings: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return facts that only some records have, and of a budget in minutes only where there is one."""
    keys = [key for key in WHERE_SAID if key in settings and ("minutes" in settings or key.startswith("data."))]
    return {WHERE_SAID[key]: settings[key] for key in keys}


def _splits(settings: Mapping[str, list[str]]) -> str:
    counts = {
        key.removeprefix("data.counts."): values
        for key, values in settings.items()
        if key.startswith("data.counts.")
    }
    return ", ".join(f"{split} {' | '.join(values)}" for split, values in counts.items()) or UNKNOWN


def _all(found: Mapping[str, list[str]], keys: Sequence[str]) -> list[str]:
    return [f"{key.removeprefix('versions.')} {' | '.join(found[key])}" for key in keys if key in found]
