"""What of a run is shown: arms, and one of its studies."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from skipbench.analysis.frames import Frames
from skipbench.errors import unknown_name
from skipbench.reports.errors import NothingToShow, ReportError
from skipbench.reports.figures import slug


def of_arms(run: Frames, patterns: Sequence[str]) -> Frames:
    """Return the run as if it had only the arms with these labels, or labels like these shell-style patterns.

    Without a pattern all stay. Raises ReportError for one that fits no arm, with names that are near.
    """
    if not patterns:
        return run
    labels, chosen = list(run.arms["arm"]), set[str]()
    for pattern in patterns:
        fitting = [pattern] if pattern in labels else [label for label in labels if fnmatchcase(label, pattern)]
        if not fitting:
            raise ReportError(unknown_name("arm", pattern, labels))
        chosen.update(fitting)
    return run.of_arms(chosen)


def chosen_studies(run: Frames, task: str | None, dataset: str | None) -> dict[str, Frames]:
    """Return the studies of a task, on a dataset, or all, by the prefix of their file names.

    Raises ReportError for a task or a dataset that the run does not have, and where none of its studies matches.
    """
    studies = run.studies()
    for kind, name in (("task", task), ("dataset", dataset)):
        known = list(dict.fromkeys(study.cells[kind].iloc[0] for study in studies))
        if name is not None and known and name not in known:
            raise ReportError(unknown_name(kind, name, known))
    chosen = {
        prefix: study
        for prefix, study in zip(prefixes(studies), studies, strict=True)
        if task in (None, study.cells.task.iloc[0]) and dataset in (None, study.cells.dataset.iloc[0])
    }
    if studies and not chosen:
        raise ReportError(f"none of the studies in {run.directory} matches; {_choose(studies)}")
    return chosen


def chosen_study(run: Frames, task: str | None, dataset: str | None) -> tuple[str, Frames]:
    """Return the one study of a task, on a dataset, and its prefix.

    Raises ReportError where none or several match, NothingToShow where the run has none.
    """
    chosen = chosen_studies(run, task, dataset)
    if len(chosen) > 1:
        raise ReportError(f"{len(chosen)} of the studies in {run.directory} match; {_choose(run.studies())}")
    return next(iter(chosen.items()), None) or ("", first_study(run))


def first_study(run: Frames) -> Frames:
    """Return the study for which a figure of the run is drawn. Raises NothingToShow where the run has none."""
    if not (studies := run.studies()):
        raise NothingToShow("The plan of this run has no study.")
    return studies[0]


def _choose(studies: Sequence[Frames]) -> str:
    titles = ", ".join(study.title for study in studies)
    return f"choose one with --task and --dataset. Its studies: {titles}."


def prefixes(studies: Sequence[Frames]) -> list[str]:
    """Return the prefix of each study's file names and anchors: "pose-on-scenes-", or "" for a single study."""
    return [f"{slug(study.title)}-" if len(studies) > 1 else "" for study in studies]
