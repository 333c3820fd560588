"""Scores recomputed from what is kept per image: the recorded ones and those of any choice of images."""

import time

import numpy as np
import pandas as pd
import pytest
import torch

from skipbench.analysis.recounts import RECOUNTS, recount
from skipbench.bench.tasks import TASKS
from skipbench.bench.testing.tasks import Case, make_case

CPU = torch.device("cpu")
EXACT = {"rel": 1e-13, "abs": 1e-15}


@pytest.fixture(scope="module", params=["segmentation", "pose", "detection"])
def case(request: pytest.FixtureRequest) -> Case:
    """A task's example with outputs of several kinds."""
    torch.manual_seed(0)
    return make_case(TASKS[request.param], TASKS[request.param].scorers)


def scored(case: Case, kind: str, chosen: list[int]):
    """Return the scores of these images alone, and their tables."""
    metrics = case.task.metrics(CPU)
    outputs = [output[chosen] for output in case.outputs[kind]]
    metrics.update(outputs, {key: value[chosen] for key, value in case.batch.items()})
    return metrics.compute(), {name: pd.DataFrame(columns) for name, columns in metrics.per_image().items()}


def keys(case: Case) -> list[str]:
    return [score.key for scorer in case.task.scorers for score in scorer.scores]


def test_every_score_of_the_tasks_has_a_recount(case):
    assert {key.partition("@")[0] for key in keys(case)} <= RECOUNTS.keys()


@pytest.mark.parametrize("kind", ["untrained", "noisy", "perfect", "shifted"])
def test_without_resampling_a_recount_is_the_recorded_score(case, kind):
    images = list(range(len(case.batch["image"])))
    told, tables = scored(case, kind, images)
    for key in keys(case):
        (found,) = recount(f"test/{key}", tables, len(images))(np.ones((1, len(images))))
        assert found == pytest.approx(told[key], **EXACT), key


@pytest.mark.parametrize("kind", ["untrained", "noisy"])
def test_weights_are_how_often_an_image_counts(case, kind):
    everything = list(range(len(case.batch["image"])))
    _, tables = scored(case, kind, everything)
    random = np.random.default_rng(0)
    choices = [sorted(random.choice(everything, len(everything)).tolist()) for _ in range(4)]
    weights = np.array([np.bincount(choice, minlength=len(everything)) for choice in choices], float)
    for key in keys(case):
        found = recount(f"test/{key}", tables, len(everything))(weights)
        told = [scored(case, kind, choice)[0].get(key, np.nan) for choice in choices]
        assert found == pytest.approx(told, **EXACT, nan_ok=True), key


def test_images_without_anything_to_find_have_no_score(case):
    everything = list(range(len(case.batch["image"])))
    _, tables = scored(case, "noisy", everything)
    for key in keys(case):
        nothing = {name: table[table["image"] < 0] for name, table in tables.items()}
        assert np.isnan(recount(f"test/{key}", nothing, 3)(np.ones((2, 3)))).all(), key


def test_an_unknown_score_and_missing_tables_have_no_recount():
    assert recount("test/my_score", {}, 3) is None
    assert recount("test/miou", {}, 3) is None


@pytest.mark.timeout(60)
def test_a_thousand_resamples_of_ap_over_200_images_take_seconds():
    random, images, each = np.random.default_rng(0), 200, 100
    detections = pd.DataFrame(
        {
            "image": np.repeat(np.arange(images), each),
            "class": np.tile(np.repeat(["a", "b"], each // 2), images),
            "score": random.random(images * each).astype(np.float32),
            "right": (random.random(images * each) < 0.03) * np.uint16(0b1111111111),
            "neutral": np.zeros(images * each, np.uint16),
        }
    )
    truths = pd.DataFrame(
        {"image": np.repeat(np.arange(images), 2), "class": np.tile(["a", "b"], images), "boxes": 2}
    )
    score = recount("test/ap", {"detections": detections, "truths": truths}, images)
    weights = random.multinomial(images, np.full(images, 1 / images), size=1000).astype(float)
    start = time.process_time()
    assert score(weights).std() > 0
    assert time.process_time() - start < 5  # of one training: 12 of them within a minute on a slow machine
