"""Other test images, other seeds: scores recomputed from what a run folder keeps of each image."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from skipbench.analysis.frames import load
from skipbench.analysis.paired import effects
from skipbench.analysis.ranking import grid_effects, over_studies, rank_stability
from skipbench.analysis.statistics.resampling import over_both, over_images, weights_of
from skipbench.analysis.units import effects_over, recounts
from skipbench.analysis.variation import variance_split
from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.store import write_run
from skipbench.bench.tasks import TASKS
from skipbench.bench.testing.tasks import make_case

CPU = torch.device("cpu")
IMAGES = 40


def counts(shares: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Return the table of images (N,) in which so many of 1,000 pixels of the one class are right."""
    right = (1000 * shares).round().astype(int)
    pixels = {"right": right, "true": np.full(len(right), 1000), "found": np.full(len(right), 1000)}
    return {"images.classes": {"image": np.arange(len(right)), "class": np.full(len(right), "car"), **pixels}}


def miou(tables: dict) -> float:
    right = tables["images.classes"]["right"].sum()
    return float(right / (2 * tables["images.classes"]["true"].sum() - right))


@pytest.fixture
def run(tmp_path):
    """Write a run folder of trainings that leave counts, by arm "model / fusion" and seed, and load it."""

    def write(shares: dict[str, list[np.ndarray]], task="segmentation", datasets=("shapes",), suite=None, **vary):
        cells = [
            _cell(arm, seed, task, dataset, vary)
            for dataset in datasets
            for arm, s in shares.items()
            for seed in range(len(s))
        ]
        declared = {
            (task, each): [score.on("test") for s in TASKS[task].scorers for score in s.scores] for each in datasets
        }
        with write_run(tmp_path, suite or {"name": "made-up"}, cells, declared) as folder:
            for cell in cells:
                tables = counts(shares[cell.arm][cell.seed])
                artifacts = folder.save_artifacts(cell, {}, tables=tables)
                settings = {"data": {"counts": {"test": len(shares[cell.arm][cell.seed])}}}
                known = {"artifacts": artifacts, "settings": settings, "data_fingerprint": "f00d"}
                values = {"test/miou": miou(tables)}
                folder.save([RunRecord(**cell.model_dump(), status="ok", values=values, **known)])
        return load(tmp_path)

    return write


def _cell(arm: str, seed: int, task: str, dataset: str, vary: dict[str, str]) -> Cell:
    model, fusion = arm.split(" / ")
    where = {"arm": arm, "seed": seed, "task": task, "dataset": dataset}
    varied = {"recipe.vary": vary[fusion]} if fusion in vary else {}
    spec = {"lateral": model, "fusion": "add" if fusion in vary else fusion}
    return Cell(kind="train", model=model, spec=spec, varied=varied, determines=where, **where)


def drawn(seeds: int, shift: float = 0.0, noise: float = 0.02) -> list[np.ndarray]:
    """Return shares of right pixels of IMAGES images, whose difficulty all seeds and arms share."""
    difficulty = np.random.default_rng(0).uniform(0.3, 0.8, IMAGES)
    random = np.random.default_rng([seeds, round(1000 * shift)])
    return [difficulty + shift + random.normal(0, noise) + random.normal(0, noise, IMAGES) for _ in range(seeds)]


@pytest.mark.parametrize("task", ["segmentation", "pose", "detection"])
def test_what_a_run_folder_keeps_gives_the_records_own_scores(tmp_path, task):
    torch.manual_seed(0)
    case = make_case(TASKS[task], TASKS[task].scorers)
    cell = _cell("a / add", 3, task, "shapes", {})
    declared = {(task, "shapes"): [score.on("test") for s in TASKS[task].scorers for score in s.scores]}
    metrics, images = case.task.metrics(CPU), len(case.batch["image"])
    metrics.update(case.outputs["noisy"], case.batch)
    values = {f"test/{name}": value for name, value in metrics.compute().items()}
    tables = {f"images.{name}": columns for name, columns in metrics.per_image().items()}
    with write_run(tmp_path, {"name": "one"}, [cell], declared) as folder:
        artifacts = folder.save_artifacts(cell, {}, tables=tables)
        settings = {"data": {"counts": {"test": images}}}
        folder.save(
            [RunRecord(**cell.model_dump(), status="ok", values=values, artifacts=artifacts, settings=settings)]
        )
    (study,) = load(tmp_path).studies()
    for score in study.scores:
        known = recounts(study, score.key)
        assert known[cell.arm, 3](np.ones((1, images)))[0] == pytest.approx(values[score.key], rel=1e-13), score.key


def test_over_images_equals_the_bootstrap_of_a_mean():
    values = np.random.default_rng(0).normal(1, 2, 100)
    found = over_images(lambda weights: weights @ values / weights.sum(1), 100)
    assert found.value == pytest.approx(values.mean())
    assert found.error == pytest.approx(values.std() / 10, rel=0.1)
    assert found.low < found.value < found.high
    assert found == over_images(lambda weights: weights @ values / weights.sum(1), 100)


def test_a_score_that_no_choice_of_images_changes_has_an_interval_of_no_width():
    found = over_images(lambda weights: np.full(len(weights), 0.5), 10)
    assert (found.value, found.error, found.low, found.high) == (0.5, 0, 0.5, 0.5)
    assert (found.p(), found.p(beyond=0.1)) == (0, 1)
    assert math.isnan(over_images(lambda weights: weights[:, 0], 1).low)


def test_over_both_adds_the_variance_of_seeds_to_that_of_images():
    random = np.random.default_rng(0)
    scores = random.normal(0, 1, (6, 1)) + random.normal(0, 5, (1, 200))  # (seeds, images)
    found = over_both(lambda weights: weights @ scores.T / weights.sum(1, keepdims=True), 200)
    of_seeds, of_images = scores.mean(1).var(ddof=1) / 6, scores.mean(0).var() / 200
    assert found.error**2 == pytest.approx(of_seeds + of_images, rel=0.15)
    assert 5 < found.freedom < 205
    alone = over_both(lambda weights: weights @ scores[:1].T / weights.sum(1, keepdims=True), 200)
    assert math.isnan(alone.low)


def test_an_interval_over_seeds_and_images_covers_95_of_100_even_of_three_seeds():
    random, held, percentiles = np.random.default_rng(0), [], []
    for _ in range(200):
        scores = random.normal(0, 1, (3, 1)) + random.normal(0, 3, (1, 30)) + random.normal(0, 2, (3, 30))
        found = over_both(lambda weights, s=scores: weights @ s.T / 30, 30, resamples=300)
        held.append(found.low <= 0 <= found.high)
        weights = weights_of(random.integers(30, size=(300, 30)), 30) @ scores.T / 30
        means = np.take_along_axis(weights, random.integers(3, size=(300, 3)), 1).mean(1)
        percentiles.append(np.quantile(means, 0.025) <= 0 <= np.quantile(means, 0.975))
    assert np.mean(held) > 0.9 > np.mean(percentiles)


def test_effects_over_images_and_both_are_paired_by_image(run):
    (study,) = run({"unet / concat": drawn(6), "unet / add": drawn(6, 0.05)}).studies()
    (seeds,) = effects(study, "test/miou").to_dict("records")
    (images,) = effects_over(study, "test/miou", "images").to_dict("records")
    (both,) = effects_over(study, "test/miou", "both").to_dict("records")
    assert images["mean"] == pytest.approx(seeds["mean"], rel=1e-12) == pytest.approx(both["mean"])
    assert (images["n"], both["n"], images["unit"], both["unit"]) == (IMAGES, 6, "images", "both")
    width = {name: one["high"] - one["low"] for name, one in (("seeds", seeds), ("images", images), ("both", both))}
    assert width["both"] > max(width["seeds"], width["images"])
    assert width["images"] < 0.03  # unpaired, the difficulty alone would make it 0.13
    assert seeds["verdict"] == images["verdict"] == both["verdict"] == "higher"


def test_few_seeds_are_descriptive_over_both_but_not_over_images(run):
    (study,) = run({"unet / concat": drawn(3), "unet / add": drawn(3, 0.05)}).studies()
    assert effects_over(study, "test/miou", "both")["verdict"].tolist() == ["descriptive"]
    assert effects_over(study, "test/miou", "images")["verdict"].tolist() == ["higher"]


def test_a_score_without_tables_and_other_data_have_no_effects_over_images(run, trained):
    (study,) = run({"unet / concat": drawn(2), "unet / add": drawn(2)}).studies()
    assert effects_over(study, "test/dice", "images")["n"].tolist() == [IMAGES]
    assert effects_over(study, "test/boundary", "images").empty
    assert effects_over(trained({"unet / concat": [0.5], "unet / add": [0.6]}), "test/miou", "both").empty


def test_a_margin_of_the_suite_makes_arms_equal(run):
    near = {"unet / concat": drawn(6, noise=0.001), "unet / add": drawn(6, 0.002, noise=0.001)}
    task = {"name": "segmentation"}
    suite = {"name": "m", "studies": [{"task": task, "margin": {"test/miou": 0.02}}, {"task": task}]}
    first, second = run(near, datasets=("shapes", "others"), suite=suite).studies()
    (one,), (other,) = (effects(study, "test/miou").to_dict("records") for study in (first, second))
    assert (one["margin"], one["verdict"]) == (0.02, "equal")
    assert math.isnan(other["margin"])
    assert other["verdict"] == "higher"
    assert math.isnan(effects(first, "test/dice").get("margin", pd.Series([math.nan])).iloc[0])


def test_one_number_is_the_margin_of_the_headline_score(run):
    suite = {"name": "m", "studies": [{"task": {"name": "segmentation"}, "margin": 0.02}]}
    (study,) = run({"unet / concat": drawn(6), "unet / add": drawn(6)}, suite=suite).studies()
    assert effects(study, "test/miou")["margin"].tolist() == [0.02]


@pytest.mark.parametrize("unit", ["seeds", "images", "both"])
def test_rank_stability_of_a_clear_and_of_an_open_order(run, unit):
    study = run({"unet / concat": drawn(4), "unet / max": drawn(4, 0.001), "unet / add": drawn(4, 0.1)}).studies()[
        0
    ]
    table = rank_stability(study, "test/miou", unit).set_index("arm")
    assert table.loc["unet / add", "first"] == 1
    assert table.loc["unet / add", ["rank", "low", "high"]].tolist() == [1, 1, 1]
    assert table["seeds"].tolist() == [4, 4, 4]
    assert table["first"].sum() == pytest.approx(1)


def test_rank_stability_needs_common_seeds(trained):
    assert rank_stability(trained({"a / x": [0.5, None], "b / x": [None, 0.6]}), "test/miou").empty


def test_too_few_tasks_have_no_critical_difference_and_it_is_said(run):
    shares = {
        f"unet / {name}": drawn(1, shift) for name, shift in (("a", 0.0), ("b", 0.05), ("c", 0.1), ("d", 0.15))
    }
    assert "4 arms needs 3 tasks or datasets, as fewer can show none; there is 1" in over_studies(run(shares))


def test_ranks_over_studies(run):
    shares = {
        f"unet / {name}": drawn(1, shift) for name, shift in (("a", 0.0), ("b", 0.05), ("c", 0.1), ("d", 0.15))
    }
    arms, found = over_studies(run(shares, datasets=("x", "y", "z")))
    assert (arms, found.ranks.tolist()) == (list(shares), [4, 3, 2, 1])


def test_two_arms_need_no_critical_difference(run):
    assert "needs three arms" in over_studies(run({"unet / a": drawn(1), "unet / b": drawn(1)}))


def test_grid_effects_of_a_study_name_the_model_as_a_factor(run):
    shares = {
        f"{model} / {fusion}": drawn(3, 0.1 * (fusion == "add"))
        for model in ("unet", "fpn")
        for fusion in ("add", "max")
    }
    table = grid_effects(run(shares).studies()[0], "test/miou")
    assert table["factors"].tolist() == ["model", "fusion", "model × fusion"]
    assert table["levels"].tolist()[:2] == ["fpn − unet", "max − add"]


def test_variance_splits_by_what_alone_was_varied(run):
    noises = {"initialisation": 0.04, "order": 0.01, "augmentation": 0.02, "all": 0.05}
    arms = {
        f"unet / recipe.vary={name}": drawn(12, 0.001 * i, noise) for i, (name, noise) in enumerate(noises.items())
    }
    (study,) = run(arms, **{f"recipe.vary={name}": name for name in noises}).studies()
    table = variance_split(study, "test/miou").set_index("source")
    assert set(table["arm"]) == {"unet"}
    assert table.loc["order", "sd"] < table.loc["augmentation", "sd"] < table.loc["initialisation", "sd"]
    assert table["share"].sum() == pytest.approx(1)
    assert math.isnan(table.loc["all", "share"])
    assert table.loc["test images", "sd"] == pytest.approx(0.02, rel=0.5)
    assert effects(study, "test/miou").empty  # what a seed varies is no choice of the network


def test_trainings_as_usual_have_one_spread_and_no_shares(run):
    table = variance_split(run({"unet / add": drawn(3)}).studies()[0], "test/miou")
    assert table["source"].tolist() == ["all", "test images"]
    assert table["share"].isna().all()
