"""Claims in constructed runs: each verdict, which arms are a pair, and that all parts of a claim must hold."""

import math
from typing import Any

import numpy as np
import pytest

from skipbench.analysis.claims import Claim, Finding, find, published
from skipbench.analysis.claims.arms import MATCHED
from skipbench.analysis.frames import Frames, from_records
from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.metrics import Metric
from skipbench.bench.tasks import TASKS

SEEDS = 12
NOISE = np.random.default_rng(0).normal(size=(20, SEEDS))  # of arm and seed
Arm = tuple[dict[str, Any], dict[str, float]]  # its factors, and the mean of each score over seeds
PCK = "test/pck@0.2"


def scores_of(task: str) -> list[Metric]:
    found = [score for scorer in TASKS[task].scorers for score in scorer.scores]
    return [score.on(split) for split in ("test", "val", "halfway") for score in found]


def run(
    arms: dict[str, Arm],
    sd: float = 0.004,
    task: str = "pose",
    seeds: int = SEEDS,
    images: int = 1000,
    trained: bool = True,
) -> Frames:
    """Return a run of one study on scenes of so many training images, whose scores vary by `sd` over seeds."""
    cells, records = [], []
    for number, (name, (factors, scores)) in enumerate(arms.items()):
        own = {key: value for key, value in factors.items() if "." in key or key == MATCHED}
        spec = {key: value for key, value in factors.items() if key not in own and key != "model"}
        for seed in range(seeds):
            about = {"arm": name, "task": task, "dataset": "scenes", "seed": seed, "spec": spec, "varied": own}
            cell = Cell(kind="train", model=factors.get("model", "fpn"), determines=about, **about)
            noise = zip(scores.items(), NOISE[number:, seed], strict=False)
            values = {key: mean + sd * each for (key, mean), each in noise}
            settings = {"data": {"counts": {"train": images}}}
            cells.append(cell)
            records.append(RunRecord.of(cell, status="ok", values=values, settings=settings))
    return from_records(cells, records if trained else [], declared={(task, "scenes"): scores_of(task)})


def claim(**content: Any) -> Claim:
    shared = {
        "name": "a claim",
        "hypothesis": "Add is better.",
        "score": PCK,
        "margin": 0.01,
        "direction": "higher",
    }
    return Claim.model_validate({**shared, "arm": {"fusion": "add"}, "reference": {"fusion": "concat"}, **content})


def numbered(number: int) -> Claim:
    (found,) = [each for each in published() if each.id == number]
    return found


def two(add: float, concat: float, **more: Any) -> Frames:
    arms = {"fpn": ({"fusion": "add"}, {PCK: add}), "fpn / fusion=concat": ({"fusion": "concat"}, {PCK: concat})}
    return run(arms, **more)


def only(frames: Frames, asked: Claim) -> Finding:
    (finding,) = find(frames, [asked])
    return finding


@pytest.mark.parametrize(
    ("add", "direction", "verdict"),
    [
        (0.55, "higher", "supported"),
        (0.55, "lower", "contradicted"),
        (0.55, "equal", "contradicted"),
        (0.45, "higher", "contradicted"),
        (0.45, "lower", "supported"),
        (0.50, "higher", "equal"),
        (0.50, "equal", "supported"),
    ],
)
def test_a_claim_is_supported_contradicted_or_equal(add: float, direction: str, verdict: str) -> None:
    finding = only(two(add, 0.5), claim(direction=direction))
    assert finding.verdict == verdict
    start = f"{verdict} at this scale, on these data: PCK@.2, fpn − fpn / fusion=concat = "
    assert finding.sentence.startswith(start)
    assert (finding.study, finding.shared) == ("pose on scenes", "fpn")


def test_what_varies_too_much_is_undecided_with_the_seeds_that_it_would_take() -> None:
    finding = only(two(0.51, 0.5, sd=0.03), claim())
    comparison = finding.parts[0].comparison
    assert comparison.low < 0 < comparison.high
    assert finding.verdict == "undecided"
    by_hand = (1.96 + 0.84) ** 2 * (comparison.sd / 0.01) ** 2  # a normal test of 5 % with a power of 80 %
    assert finding.seeds_needed == pytest.approx(by_hand, rel=0.1)
    assert f"a difference of 1.0 points would take {finding.seeds_needed:.0f} seeds" in finding.sentence
    assert "at this scale" not in finding.sentence


def test_few_seeds_are_descriptive_and_none_are_no_result_yet() -> None:
    few = only(two(0.9, 0.5, seeds=5), claim())
    assert few.verdict == "undecided"
    assert few.sentence.endswith("5 seeds), descriptive only: a test takes 6 seeds.")
    assert only(two(0.9, 0.5, seeds=1), claim()).sentence.endswith(
        "(1 seed), descriptive only: a test takes 6 seeds."
    )
    planned = only(two(0.9, 0.5, trained=False), claim())
    assert planned.sentence == "undecided: PCK@.2, fpn − fpn / fusion=concat: no result yet."


def test_arms_that_are_not_there_or_differ_in_more_are_not_in_this_run() -> None:
    alone = run({"fpn": ({"fusion": "add"}, {PCK: 0.5})})
    more = run(
        {"a": ({"fusion": "add", "post": "relu"}, {PCK: 0.5}), "b": ({"fusion": "concat", "post": "none"}, {})}
    )
    models = run({"a": ({"fusion": "add", "model": "unet"}, {PCK: 0.5}), "b": ({"fusion": "concat"}, {PCK: 0.6})})
    for frames in (alone, more, models):
        assert only(frames, claim()).verdict == "not in this run"
    finding = only(two(0.6, 0.5), claim(task="detection"))
    assert finding.sentence == "not in this run: no arms that it is about."
    assert only(two(0.6, 0.5), claim(task=["detection", "pose"])).verdict == "supported"


def test_each_context_has_a_verdict_of_its_own() -> None:
    def arm(fusion: str, encoder: str, score: float) -> Arm:
        return {"fusion": fusion, "encoder": encoder}, {PCK: score}

    given = run(
        {
            "fpn": arm("add", "light", 0.6),
            "fpn / fusion=concat": arm("concat", "light", 0.5),
            "fpn / encoder=heavy": arm("add", "heavy", 0.5),
            "fpn / fusion=concat, encoder=heavy": arm("concat", "heavy", 0.6),
        }
    )
    found = [(finding.shared, finding.verdict) for finding in find(given, [claim()])]
    assert found == [("fpn", "supported"), ("fpn / encoder=heavy", "contradicted")]


def test_arms_as_they_are_and_at_equal_budgets_are_two_contexts() -> None:
    def arm(fusion: str, matched: str, width: int, score: float) -> Arm:
        return {"model": "unet", "fusion": fusion, "width": width, MATCHED: matched}, {PCK: score}

    given = run(
        {
            "unet": arm("concat", "no, macs", 32, 0.5),
            "unet / fusion=add": arm("add", "no", 32, 0.45),
            "unet / fusion=add, matched=macs": arm("add", "macs", 37, 0.5),
        }
    )
    found = {finding.shared: finding.verdict for finding in find(given, [claim()])}
    assert found == {"unet": "contradicted", "unet at equal MACs": "equal"}
    assert [only(given, claim(budget=budget)).shared for budget in ("raw", "matched")] == [*found]


def test_all_parts_of_a_claim_have_to_hold_and_share_holm_s_correction() -> None:
    def stacked(*scores: float, sd: float = 0.004) -> Frames:
        arms = {
            f"{stacks} x {blocks}": ({"model": "hourglass", "stacks": stacks, "blocks": blocks}, {PCK: score})
            for stacks, blocks, score in zip((8, 4, 2), (1, 2, 4), scores, strict=True)
        }
        return run(arms, sd)

    finding = only(stacked(0.56, 0.53, 0.5), numbered(1))
    assert finding.verdict == "supported"
    assert [part.label for part in finding.parts] == ["PCK@.2, 8 x 1 − 4 x 2", "PCK@.2, 4 x 2 − 2 x 4"]
    p = sorted(part.comparison.p for part in finding.parts)
    assert sorted(part.comparison.p_holm for part in finding.parts) == [2 * p[0], max(2 * p[0], p[1])]
    assert only(stacked(0.56, 0.53, 0.53), numbered(1)).verdict == "equal"
    assert only(stacked(0.56, 0.53, 0.6), numbered(1)).verdict == "contradicted"
    assert only(stacked(0.60, 0.50, 0.5, sd=0.02), numbered(1)).verdict == "undecided"


def test_a_condition_may_be_a_bound_and_all_arms_beyond_it_are_meant() -> None:
    def passes(*scores: float) -> Frames:
        factors = [{"model": "rectified_gaussian", "passes": number} for number in range(1, len(scores) + 1)]
        return run({f"QP{each['passes']}": (each, {PCK: s}) for each, s in zip(factors, scores, strict=True)})

    finding = only(passes(0.5, 0.55, 0.54, 0.56), numbered(15))
    assert finding.verdict == "supported"
    assert [part.label for part in finding.parts] == [f"PCK@.2, QP{number} − QP1" for number in (2, 3, 4)]
    assert only(passes(0.5, 0.55, 0.5), numbered(15)).verdict == "equal"


def test_two_scores_of_one_arm_are_compared() -> None:
    factors = {"model": "hourglass", "stacks": 2, "supervision": "stacks"}
    finding = only(run({"hourglass": (factors, {PCK: 0.6, "halfway/pck@0.2": 0.5})}), numbered(2))
    assert finding.parts[0].label == "PCK@.2 − halfway PCK@.2, hourglass"
    assert finding.parts[0].comparison.mean == pytest.approx(0.1, abs=0.01)
    assert finding.verdict == "supported"


def test_the_difference_of_two_groups_is_compared() -> None:
    def rectified(passes: int, visible: float, occluded: float) -> Arm:
        by = "test/error_px_by_visibility/"
        scores = {"test/error_px": (visible + occluded) / 2, f"{by}visible": visible, f"{by}occluded": occluded}
        return {"model": "rectified_gaussian", "passes": passes}, scores

    finding = only(run({"one": rectified(1, 5, 9), "two": rectified(2, 4, 6)}), numbered(14))
    assert [part.comparison.mean for part in finding.parts] == pytest.approx([-2, -2], abs=0.02)
    assert finding.parts[1].label == "Error (occluded) minus error (visible), two − one"
    assert finding.verdict == "supported"
    assert only(run({"one": rectified(1, 5, 9), "two": rectified(2, 3, 7)}), numbered(14)).verdict == "equal"


def test_a_claim_about_few_images_is_asked_of_such_studies_alone() -> None:
    arms: dict[str, Arm] = {
        "unet": ({"model": "unet", "recipe.augmentation.elastic.sigma": 0.0}, {"test/miou": 0.4}),
        "bent": ({"model": "unet", "recipe.augmentation.elastic.sigma": 2.0}, {"test/miou": 0.5}),
    }
    assert only(run(arms, task="segmentation", images=16), numbered(11)).verdict == "supported"
    assert only(run(arms, task="segmentation", images=31), numbered(11)).verdict == "not in this run"


def test_numbers_that_are_computed_are_exact_or_a_sample_and_missing_ones_are_not_in_this_run() -> None:
    asked = [each for each in published() if each.id in (10, 13, 16)]
    numbers: dict[str, float | list[float]] = {
        "aliasing/start": 0.004,
        "aliasing/trained": [-0.05 + 0.001 * n for n in range(8)],
        "tiling/unpadded": 0.0,
        "tiling/padded": 17.0,
        "alignment/difference": 0.0,
    }
    found = [finding.verdict for finding in find(run({}), asked, numbers)]
    assert found == ["equal", "supported", "supported", "supported"]
    numbers |= {
        "tiling/unpadded": 1e-9,
        "alignment/difference": -1.0,
        "aliasing/start": 0.5,
        "aliasing/trained": [-1.0],
    }
    found = [finding.verdict for finding in find(run({}), asked, numbers)]
    assert found == ["contradicted", "undecided", "contradicted", "contradicted"]
    assert {finding.verdict for finding in find(run({}), asked)} == {"not in this run"}


def test_every_published_claim_is_stated_in_full() -> None:
    claims = published()
    assert sorted({each.id for each in claims if each.id}) == list(range(1, 18))
    assert len({each.name for each in claims}) == len(claims)
    declared = [score for task in ("segmentation", "pose", "detection") for score in scores_of(task)]
    for each in claims:
        assert each.source
        assert each.hypothesis.endswith(".")
        for part in each.parts:
            assert math.isfinite(part.margin)
            for key in filter(None, (part.score, part.reference_score, part.less)):
                assert any(score.holds(key) for score in declared), key
