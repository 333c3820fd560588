"""The two networks that `skipbench morph` and `skipbench diff` are about, and the options that name them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skipbench.bench.attempt import insist
from skipbench.bench.cli.options import load
from skipbench.bench.errors import SuiteError
from skipbench.bench.yaml_values import assigned
from skipbench.display import label, quoted
from skipbench.errors import unknown_name

if TYPE_CHECKING:
    from skipbench.analysis.frames import Frames
    from skipbench.archs import ArchSpec
    from skipbench.bench.records.metrics import Metric

Name = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A name from `skipbench list models`, or with --run an arm's.", show_default=False
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Factors of both (width=32), of the first (a.width=32), of the second (b.fusion=add).",
    ),
]
Classes = Annotated[int | None, typer.Option(min=1, help="Output channels; a model's own, 1, if not given.")]
RunOption = Annotated[Path | None, typer.Option("--run", metavar="DIR", help="A run folder, whose arms are meant.")]


@dataclass(frozen=True)
class Ends:
    """The two networks that a command is about; of arms of a run also its study, and the specs of all its arms."""

    names: tuple[str, str]
    specs: "tuple[ArchSpec, ArchSpec]"
    study: "Frames | None" = None
    arms: "Mapping[str, ArchSpec]" = field(default_factory=dict)

    def require_built(self) -> None:
        """Raise what building either network raises."""
        from skipbench.archs.morphs import require_built

        for name, spec in zip(self.names, self.specs, strict=True):
            insist(partial(require_built, spec), name)

    @property
    def size(self) -> tuple[int, int]:
        """The size (H, W) at which cost is counted."""
        costed = self.study.finished("cost") if self.study else []
        height, width = costed[0].settings.get("image_size", (256, 256)) if costed else (256, 256)
        return int(height), int(width)

    @property
    def score(self) -> "Metric | None":
        """The headline score of the study."""
        from skipbench.analysis.summaries import headline

        return headline(self.study) if self.study else None


def ends_of(
    names: tuple[str, str],
    assignments: Sequence[str],
    encoder: str | None,
    classes: int | None,
    where: tuple[Path | None, str | None, str | None],
    plugins: Sequence[Path],
) -> Ends:
    """Return the two networks: models, or arms of the run in the folder `where`[0], with the factors assigned."""
    from skipbench.archs import ArchSpec, resolve_spec

    load(plugins)
    shared = assigned(assignments, example="b.fusion=concat")
    own = [shared.pop(side, {}) for side in ("a", "b")]
    for side, factors in zip("ab", own, strict=True):
        if not isinstance(factors, dict):
            raise SuiteError(f"'{side}' is {quoted(factors)}; factors of that model are given as {side}.width=32.")
    shared |= {key: value for key, value in (("encoder", encoder), ("classes", classes)) if value is not None}
    given = [{**shared, **factors} for factors in own]
    if where[0] is None:
        specs = [resolve_spec(name, **factors) for name, factors in zip(names, given, strict=True)]
        return Ends(_told(names, own), (specs[0], specs[1]))
    study, arms = _study(*where)
    for name in names:
        if name not in arms:
            raise SuiteError(unknown_name("arm", name, arms))
    first, second = (
        ArchSpec.from_dict({**arms[name].to_dict(), **factors}) for name, factors in zip(names, given, strict=True)
    )
    return Ends(_told(names, own), (first, second), study, arms)


def _told(names: tuple[str, str], own: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return what to call the two networks: their names, with what is their own."""
    first, second = (label(name, factors) for name, factors in zip(names, own, strict=True))
    return first, second


def _study(run: Path | None, task: str | None, dataset: str | None) -> "tuple[Frames, dict[str, ArchSpec]]":
    """Return the one study of a run that is meant, and its arms' specs. Raises SuiteError, StoreError."""
    from skipbench.analysis.frames import load as load_frames
    from skipbench.archs import ArchSpec
    from skipbench.bench.records.store import open_run

    assert run is not None
    studies = load_frames(run, task, dataset).studies()
    named = {(study.cells.task.iloc[0], study.cells.dataset.iloc[0]): study for study in studies}
    wanted = [key for key in named if task in (None, key[0]) and dataset in (None, key[1])]
    if len(wanted) != 1:
        titles = ", ".join(study.title for study in studies) or "none"
        raise SuiteError(f"{run} has {len(wanted)} such studies; choose with --task and --dataset from: {titles}.")
    cells = [cell for cell in open_run(run).cells() if (cell.task, cell.dataset) == wanted[0]]
    return named[wanted[0]], {cell.arm: ArchSpec.from_dict(cell.spec) for cell in cells}
