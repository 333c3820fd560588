"""The sections of one study, in the order in which they are read; an empty one says why it is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.answers import answers
from analysis.breakdowns import definition, gap_effects, groups, measured_breakdowns, reference
from analysis.frames import Frames
from analysis.latency import ratios
from analysis.limits import limits
from analysis.predictions import kept_predictions
from analysis.provenance import distinct
from analysis.summaries import accuracy, headline, parts, why_empty
from analysis.text import count, listing
from bench.metrics import Metric
from reports import study_tables as tables
from reports.blocks import Block, Grid, Picture, Section, Sentences
from reports.errors import ReportError
from reports.figures import draw, save
from reports.group_tables import breakdown_table, class_table, gap_table
from reports.tables import Table


@dataclass(frozen=True)
class Chapter:
    """One study and where its files go; `prefix` tells the files and anchors of several studies apart."""

    study: Frames
    directory: Path
    prefix: str = ""

    @property
    def ident(self) -> str:
        """The chapter's own anchor: "pose-on-scenes"; "" where it is the only one."""
        return self.prefix.rstrip("-")

    def figure(self, kind: str, form: str) -> Path:
        """Return the file of one of the study's figures."""
        return self.directory / "figures" / f"{self.prefix}{kind}.{form}"

    def sections(self) -> list[Section]:
        """Return the study's sections, writing their figures and tables as they are made."""
        score = headline(self.study)
        made = (
            ("answer", "The answer", self._answer()),
            ("setup", "What was run, and on what", self._setup()),
            ("cost", "Cost", self._cost()),
            ("latency", "Latency", self._latency()),
            ("accuracy", "Accuracy", self._accuracy(score)),
            ("groups", "By size and by occlusion", self._groups()),
            ("tradeoff", "Accuracy against cost", self._tradeoff(score)),
            ("parts", "Where parameters, MACs and bytes sit", self._parts()),
            ("fusion", "One fusion against another", self._fusion(score)),
            ("predictions", "Predictions", self._predictions()),
            ("gaps", "Failures and missing cells", self._gaps()),
            ("limits", "What cannot be concluded", [Sentences(limits(self.study))]),
        )
        return [Section(f"{self.prefix}{ident}", title, blocks) for ident, title, blocks in made]

    def _answer(self) -> list[Block]:
        return [Sentences([*answers(self.study), f"First of the limits: {limits(self.study)[0]}"])]

    def _setup(self) -> list[Block]:
        study, first = self.study, self.study.cells.iloc[0]
        what = distinct([{"task": first.task, "data": first.dataset}])
        what |= distinct({"data fingerprint": record.data_fingerprint} for record in study.records)
        what |= {
            "arms": [str(len(study.arms))],
            "seeds": [", ".join(map(str, study.cells.seed.dropna().unique()))],
        }
        settings = distinct(record.settings for record in study.finished("train"))
        data = {key: values for key, values in settings.items() if key.startswith("data.")}
        recipe = {key: values for key, values in settings.items() if key not in data}
        environment = distinct(record.environment for record in study.records)
        setup = self._grid(tables.facts_table("setup", "The study.", what | data | environment))
        if not recipe:
            return [setup]
        return [setup, self._grid(tables.facts_table("recipe", "How every run was trained.", recipe), folded=True)]

    def _cost(self) -> list[Block]:
        if empty := self._unless_empty("cost"):
            return empty
        made = (tables.work_table(self.study), tables.roofline_table(self.study), tables.notes_table(self.study))
        folded = [self._grid(table, folded=True) for table in made if len(table.frame) and len(table.columns) > 1]
        return [self._grid(tables.cost_table(self.study)), *folded]

    def _latency(self) -> list[Block]:
        if empty := self._unless_empty("latency"):
            return empty
        medians = self.study.wide("latency")["latency_ms/median"]
        median = self.study.metric("latency_ms/median")
        alt = f"Latency of {count(len(medians), 'arm')}, medians from {_range(median, medians)}"
        caption = "Every timed forward pass, the median and its 95 % interval over blocks of fresh builds."
        times: list[Block] = [self._picture("latency", alt, caption), self._grid(tables.latency_table(self.study))]
        compared = ratios(self.study)
        if len(compared) < 2:
            return times
        alt = f"Latency of {count(len(compared) - 1, 'arm')} over that of {compared.reference.iloc[0]}"
        caption = "Ratio in each block, geometric mean and 95 % interval; inside the band arms are equal."
        return [self._picture("ratios", alt, caption), self._grid(tables.ratio_table(self.study)), *times]

    def _accuracy(self, score: Metric | None) -> list[Block]:
        if score is None:
            return self._unless_empty("train") or [
                Sentences(["No finished run has a score that this report knows."])
            ]
        means = accuracy(self.study, score.key)["mean"].dropna()
        alt = f"{score.label} of {count(len(means), 'arm')} per seed, means from {_range(score, means)}"
        caption = "Every run, the mean per arm and its 95 % t-interval over seeds."
        blocks = [
            self._picture("accuracy", alt, caption),
            self._grid(tables.accuracy_table(self.study, score)),
        ]
        named = [by for by in score.by if not by.groups and groups(self.study, by)]
        blocks += [self._grid(class_table(self.study, score, by)) for by in named]
        if said := reference(self.study):
            blocks.append(Sentences([said]))
        return [*blocks, self._grid(tables.runs_table(self.study), folded=True)]

    def _groups(self) -> list[Block]:
        found = measured_breakdowns(self.study)
        names = listing(f"{score.label} by {by.name}" for score, by in found) if found else ""
        defined = " ".join(dict.fromkeys(definition(self.study, by) for _, by in found))
        picture = self._picture(
            "breakdown",
            f"{names}, one row per arm",
            f"{defined} The axes of one breakdown are equally long, so that differences on them can be compared, "
            "but each begins where its own arms do.",
        )
        grids: list[Block] = []
        for score, by in found:
            grids.append(self._grid(breakdown_table(self.study, score, by)))
            if by.contrast and len(gap_effects(self.study, by)):
                grids.append(self._grid(gap_table(self.study, score, by)))
        return [picture, *grids]

    def _tradeoff(self, score: Metric | None) -> list[Block]:
        picture = self._picture(
            "pareto",
            f"Mean {score.label if score else 'score'} against cost, one point per arm",
            "Mean score against cost. An arm is off the front where another costs no more, scores no less, "
            "and is better in one of the two. Means only: the front is as uncertain as they are.",
        )
        if score is None or isinstance(picture, Sentences):
            return [picture]
        return [picture, self._grid(tables.tradeoff_table(self.study, score))]

    def _parts(self) -> list[Block]:
        if empty := self._unless_empty("cost"):
            return empty
        alt = "Parameters and MACs of each arm, stacked by encoder, lateral, fusion, decoder and head"
        picture = self._picture(
            "cost",
            alt,
            "Parameters and MACs of one image by part of the network: all of it, and without the encoder.",
        )
        split = [name for name in ("params", "macs", "bytes") if len(parts(self.study, name))]
        return [picture, *(self._grid(tables.parts_table(self.study, name)) for name in split)]

    def _fusion(self, score: Metric | None) -> list[Block]:
        alt = "Difference in score that another fusion makes in each model, per seed"
        caption = (
            "Score of a fusion less that of the fusion that the suite lists first for the model, at the same seed "
            "(same order of images, same augmentation). A description: no hypothesis is tested here."
        )
        picture = self._picture("fusion", alt, caption)
        if score is None or isinstance(picture, Sentences):
            return [picture]
        return [picture, self._grid(tables.fusion_table(self.study, score))]

    def _predictions(self) -> list[Block]:
        shown, lost = kept_predictions(self.study)
        alt, caption = next(((each.alt, each.caption) for each in shown.values()), ("", ""))
        same = "The first test images with something to predict, the same for all arms, at the first finished seed"
        return [
            self._picture("predictions", alt, f"{same}. {caption}", form="png"),
            *([Sentences(lost)] if lost else []),
        ]

    def _gaps(self) -> list[Block]:
        table = tables.gaps_table(self.study)
        if table.frame.empty:
            return [Sentences([f"None: all {count(len(self.study.cells), 'cell')} have a result."])]
        return [self._grid(table)]

    def _unless_empty(self, kind: str) -> list[Block]:
        why = why_empty(self.study, kind)
        return [Sentences([why])] if why else []

    def _grid(self, table: Table, folded: bool = False) -> Grid:
        table.write(self.directory / "tables", self.prefix)
        return Grid(table, folded)

    def _picture(self, kind: str, alt: str, caption: str, form: str = "svg") -> Picture | Sentences:
        """Draw a figure and write it as PNG and SVG; where there is nothing to draw, say why."""
        try:
            figure = draw(kind, self.study)
        except ReportError as error:
            return Sentences([_capital(str(error))])
        files = {ending: save(figure, self.figure(kind, ending), ending) for ending in ("png", "svg")}
        return Picture(files[form], alt, caption)


def chapters(studies: Sequence[Frames], directory: Path) -> list[Chapter]:
    """Return one chapter per study; only where there are several do their files carry a prefix."""
    prefixes = [f"{slug(study.title)}-" if len(studies) > 1 else "" for study in studies]
    return [Chapter(study, directory, prefix) for study, prefix in zip(studies, prefixes, strict=True)]


def slug(title: str) -> str:
    """Return a title as it stands in the names of files and anchors: "pose-on-scenes"."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _range(entry: Metric, values: pd.Series) -> str:
    return f"{entry.show(values.min())} to {entry.show_unit(values.max())}"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
