"""The answer in sentences: each rests on the facts it is given."""

from skipbench.analysis.answers import answers, lead, rivals
from skipbench.analysis.summaries import accuracy
from skipbench.bench.tasks.segmentation.metrics import SegmentationScorer


def _saying(sentences, words):
    """Return the only sentence with these words in it."""
    (found,) = [sentence for sentence in sentences if words in sentence]
    return found


def test_the_best_mean_is_named_with_its_interval_and_its_rivals(trained):
    study = trained({"a / x": [0.50, 0.51, 0.52], "b / x": [0.60, 0.61, 0.62], "c / x": [0.60, 0.605, 0.61]})
    best = _saying(answers(study), "Best mean")
    assert best == (
        "Best mean mIoU: b / x with 61.0 % (3 seeds, 95 % interval 58.5 to 63.5); "
        "of 2 other arms with an interval, 1 overlaps with it."
    )


def test_one_seed_gives_no_interval(trained):
    sentences = answers(trained({"a / x": [0.5], "b / x": [0.6]}))
    assert _saying(sentences, "Best mean") == "Best mean mIoU: b / x with 60.0 % (1 seed, so no interval)."
    assert _saying(sentences, "The means") == "The means of the 2 arms span 10.0 points."


def test_arms_are_set_against_the_spread_of_seeds(trained):
    sentence = _saying(answers(trained({"a / x": [0.50, 0.54], "b / x": [0.53, 0.53]})), "The means")
    assert (
        sentence == "The means of the 2 arms span 1.0 points; the seeds of a single arm differ by up to 4.0 points."
    )


def test_a_fusion_s_worth_is_a_paired_mean(trained):
    sentence = _saying(
        answers(trained({"fpn / add": [0.5, 0.6], "fpn / concat": [0.52, 0.59]})), "choice of fusion"
    )
    assert "fpn / concat: concat − add = +0.5 points (higher in 1 of 2 seeds)" in sentence


def test_the_lead_tells_the_largest_effect_with_its_interval_and_how_many_are_sure(trained):
    base, shift = [0.50, 0.52, 0.54, 0.51, 0.53, 0.55], [0.0, 0.001, -0.001, 0.002, -0.002, 0.0]
    arms = {"unet / add": base, "unet / concat": [b + 0.1 + s for b, s in zip(base, shift, strict=True)]}
    assert lead(trained(arms)) == (
        "mIoU: of 1 other choice of fusion, 1 surely raised it; the difference is +10.0 points "
        "(unet / concat: concat − add; 95 % interval +9.9 to +10.1 over 6 paired seeds, Holm's p = 1.2e-10)."
    )
    assert "1 is undecided" in lead(trained(arms | {"unet / concat": [0.6, *base[1:]]}))
    few = lead(trained({arm: scores[:1] for arm, scores in arms.items()}))
    assert few.endswith("the difference is +10.0 points (unet / concat: concat − add; 1 seed, so no interval).")


def test_a_study_without_a_choice_to_compare_leads_with_its_best_arm(trained):
    assert (
        lead(trained({"a / x": [0.5], "b / y": [0.6]}))
        == "Best mean mIoU: b / y with 60.0 % (1 seed, so no interval)."
    )


def test_sentences_are_chosen_by_topic(trained):
    study = trained({"fpn / add": [0.5, 0.6], "fpn / concat": [0.52, 0.59]})
    chosen = [sentence for topic in ("gaps", "accuracy", "effects") for sentence in answers(study, topic)]
    assert chosen == answers(study)
    assert answers(study, "latency") == []


def test_rivals_are_the_arms_whose_interval_overlaps(trained):
    study = trained({"a / x": [0.1, 0.11], "b / x": [0.6, 0.7], "c / x": [0.7]})
    best, others = rivals(accuracy(study, "test/miou"), SegmentationScorer.scores[0].on("test"))
    assert best["arm"] == "c / x"  # one seed: the best mean, but nothing to overlap with
    assert others.empty


def _pose(cell, record, frames, arms):
    keys = ("test/pck@0.1", *(f"test/pck@0.1_by_visibility/{group}" for group in ("visible", "occluded")))
    records = [
        record(cell(arm=arm, task="pose"), dict(zip(keys, found, strict=True))) for arm, found in arms.items()
    ]
    return frames(records, records)


def test_groups_have_a_best_arm_each_and_a_gap(cell, record, frames):
    sentences = answers(_pose(cell, record, frames, {"a / x": (0.6, 0.9, 0.3), "b / x": (0.5, 0.6, 0.4)}))
    assert _saying(sentences, "by visibility") == (
        "Best mean PCK@.1 by visibility (in brackets, how many other arms' intervals overlap): "
        "visible, a / x with 90.0 % [1 seed]; occluded, b / x with 40.0 % [1 seed]."
    )
    gap = _saying(sentences, "minus that of occluded")
    assert gap.endswith("ones: from +20.0 points (b / x) to +60.0 points (a / x).")


def test_a_study_speaks_of_its_own_score_only(cell, record, frames):
    said = " ".join(answers(_pose(cell, record, frames, {"a / x": (0.6, 0.9, 0.3), "b / x": (0.5, 0.6, 0.4)})))
    assert not [word for word in ("mIoU", "Dice", "AP", "class", "pixel") if word in said]


def test_one_arm_has_no_best_group(cell, record, frames):
    assert not [one for one in answers(_pose(cell, record, frames, {"a / x": (0.6, 0.9, 0.3)})) if "visib" in one]


def test_an_unfinished_run_says_so_first(cell, record, frames):
    cells = [cell(seed=0), cell(seed=1), cell("cost")]
    sentences = answers(frames(cells, [record(cells[0], reason="out of memory")]))
    assert sentences == ["The run is incomplete: 0 of 3 cells have a result, 1 failed, 2 not run yet."]


def test_fronts_and_costs_name_their_arms(cell, record, frames):
    arms = {"a / x": (0.5, 1e9, 9.0), "b / x": (0.6, 2e9, 5.0)}
    cells = {(kind, arm): cell(kind, arm) for kind in ("train", "cost", "latency") for arm in arms}
    records = [
        record(cells[kind, arm], {key: value})
        for arm, numbers in arms.items()
        for kind, key, value in zip(
            ("train", "cost", "latency"), ("test/miou", "macs/total", "latency_ms/median"), numbers, strict=True
        )
    ]
    sentences = answers(frames(cells.values(), records))
    assert (
        "mIoU against MACs: whether an arm is worse than one that costs no more takes 6 seeds to test; "
        "by the means alone, the Pareto front is a / x and b / x." in sentences
    )
    assert "MACs range from 1.000 G (a / x) to 2.000 G (b / x)." in sentences
    assert not [one for one in sentences if one.startswith("Median latency")]


def test_exact_ties_are_named(cell, record, frames):
    arms = ("a / x", "b / x", "c / x")
    records = [record(cell("train", arm, seed), {"test/miou": 0.5}) for arm in arms[:2] for seed in range(6)]
    records += [record(cell("train", "c / x", seed), {"test/miou": 0.25}) for seed in range(6)]
    records += [record(cell("cost", arm), {"macs/total": 1e9 + (arm == "c / x") * 1e9}) for arm in arms]
    sentences = answers(frames(records, records))
    assert _saying(sentences, "Best mean").startswith("Best mean mIoU: a / x and b / x, exactly equal, with 50.0 %")
    assert "MACs range from 1.000 G (a / x and b / x) to 2.000 G (c / x)." in sentences
    assert "mIoU against MACs: c / x is significantly worse than one" in _saying(sentences, "against MACs")
