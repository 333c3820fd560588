"""What a fair start changes: the controlled networks trained as they are drawn, and with the trainer's rules.

    python benchmarks/fair_start.py [SUITE] [KEY=VALUE ...] [--task segmentation] [--seeds 0 1] [--out FILE.md]

Every arm of a suite's study is trained at the same seeds under each of VARIANTS, all arms of a variant and seed in
turns; a variant changes settings of the recipe, or multiplies the head's drawn weights, or the scale the trainer
gives to logits. Writes, per arm: the first loss over chance, how large the decoder's finest map and its parameters'
gradient are at the start, the share of steps at which the gradient was clipped, and the test score. A finished
training is kept beside the table, and not trained again.
"""

import argparse
import json
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from torch import nn

from skipbench.archs import ArchSpec, build_model
from skipbench.bench.measure import StudyPlan
from skipbench.bench.measure.training import Training
from skipbench.bench.suites.plan import make_plan
from skipbench.bench.suites.reading import load_suite
from skipbench.bench.tasks import Task
from skipbench.bench.training import TrainingError, train


@dataclass(frozen=True)
class Variant:
    """One way of starting and training."""

    name: str
    recipe: dict[str, Any] = field(default_factory=dict)  # what differs from the suite's
    head: float = 1.0  # what the head's drawn weights are multiplied by
    logits: float = 1.0  # what the logits before training are multiplied by


AS_DRAWN = {"data_init": False, "recalibrate": False}
VARIANTS = (
    Variant("as drawn", AS_DRAWN),
    Variant("as drawn, head x 1/8", AS_DRAWN, 1 / 8),
    Variant("scaled", {"recalibrate": False}),
    Variant("scaled, recalibrated"),
    Variant("scaled, recalibrated, head x 1/8", head=1 / 8),
    Variant("scaled to 2 % above chance, recalibrated", logits=0.4**0.5),
    Variant("scaled, recalibrated, clipped at 10", {"clip_norm": 10.0}),
)
COLUMNS = {
    "first loss / chance": "start/loss_over_chance",
    "signal": "start/signal_rms",
    "decoder gradient": "start/decoder_gradient_norm",
    "clipped (%)": "train/clipped_share",
}


def build(spec: ArchSpec, factor: float) -> nn.Module:
    """Return the network with the weights of its heads' convolutions times `factor`."""
    model = build_model(spec)
    for name, parameter in model.named_parameters():
        if ".head.predictors." in name and parameter.ndim > 1:
            parameter.data *= factor
    return model


def task_of(study: StudyPlan, variant: Variant) -> Task:
    """Return the study's task, with logits before training of the scale that the variant asks for."""
    task = copy(study.task)
    task.logit_std = lambda logits: variant.logits * study.task.logit_std(logits)  # type: ignore[method-assign]
    return task


def results(study: StudyPlan, seeds: list[int], kept: Path) -> Iterator[dict[str, Any]]:
    """Yield one row per training, from the file of those kept or trained now."""
    done = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    for seed in seeds:
        for variant in VARIANTS:
            for arm in study.arms:
                key = {"variant": variant.name, "arm": arm.name, "seed": seed}
                row = next((row for row in done if row.items() >= key.items()), None)
                if row is None:
                    recipe = Training(study).options_of(arm).model_copy(update=variant.recipe)
                    make = partial(build, arm.spec, variant.head)
                    try:
                        row = key | train(make, study.data, task_of(study, variant), recipe, seed).values
                    except TrainingError as error:
                        row = key | {"failed": str(error)}
                    with kept.open("a") as file:
                        file.write(json.dumps(row) + "\n")
                yield row


def table(rows: list[dict[str, Any]], score: str) -> str:
    """Return means over seeds as Markdown, and each seed's score."""
    seeds = sorted({row["seed"] for row in rows})
    scores = [f"{score} (%), seed {seed}" for seed in seeds]
    lines = [
        " | ".join(["| start", "arm", *COLUMNS, *scores, "mean |"]),
        "|---" * (len(COLUMNS) + len(seeds) + 3) + "|",
    ]
    for variant, arm in dict.fromkeys((row["variant"], row["arm"]) for row in rows):
        found = [row for row in rows if (row["variant"], row["arm"]) == (variant, arm)]
        told = [mean(row.get(key, float("nan")) for row in found) for key in COLUMNS.values()]
        told[-1] *= 100
        each = [100 * row.get(f"test/{score}", float("nan")) for row in found]
        cells = [f"{value:.2f}" for value in told] + [f"{value:.1f}" for value in each]
        lines.append(" | ".join([f"| {variant}", arm, *cells, f"{mean(each):.1f} |"]))
    return "\n".join(lines) + "\n"


def sensitivity(rows: list[dict[str, Any]], score: str) -> str:
    """Return in words what the scale of the drawn head changes, without and with the trainer's own scaling."""
    lines = []
    for start in ("as drawn", "scaled, recalibrated"):
        drawn, smaller = (_means(rows, name, score) for name in (start, f"{start}, head x 1/8"))
        most = max(abs(drawn[arm] - smaller[arm]) for arm in drawn)
        kept = sorted(drawn, key=drawn.__getitem__) == sorted(smaller, key=smaller.__getitem__)
        order = "the order of the arms stays" if kept else "the arms change their order"
        lines.append(f"- {start}: with the head's weights at 1/8 a mean moves by up to {most:.1f} points; {order}.")
    return "\n".join(lines) + "\n\n"


def _means(rows: list[dict[str, Any]], variant: str, score: str) -> dict[str, float]:
    """Return each arm's score in percent, averaged over seeds."""
    found = [row for row in rows if row["variant"] == variant]
    arms = dict.fromkeys(row["arm"] for row in found)
    return {arm: mean(100 * row[f"test/{score}"] for row in found if row["arm"] == arm) for arm in arms}


def main() -> None:
    """Train what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", nargs="?", default="quick")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", default=[])
    parser.add_argument("--task", default="segmentation")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    chosen = parser.parse_args()
    (study,) = make_plan(load_suite(chosen.suite, chosen.overrides, tasks=[chosen.task])).studies
    rows = []
    for row in results(study, chosen.seeds, chosen.out.with_suffix(".jsonl")):
        rows.append(row)
        print(row["variant"], row["arm"], row["seed"], row.get(study.task.scores[0].on("test").key), flush=True)
    recipe, score = Training(study).options_of(study.arms[0]), study.task.scores[0].key
    title = (
        f"# What a fair start changes\n\n{chosen.task} of `{chosen.suite}` on {study.data.info.name}: "
        f"{recipe.images} images seen, lr {recipe.lr:g}, gradients clipped at {recipe.clip_norm:g} but where it is "
        f"said, {len(chosen.seeds)} seeds; written by `benchmarks/fair_start.py`. Columns but the scores are means "
        "over seeds.\n\n"
    )
    chosen.out.write_text(title + sensitivity(rows, score) + table(rows, score), encoding="utf-8")


if __name__ == "__main__":
    main()
