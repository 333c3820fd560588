"""Limits are said where their fact holds, and not where it doesn't."""

from skipbench.analysis.limits import limits

ENVIRONMENT = {"commit": "abc", "dirty": False, "cpu": "a CPU"}


def _said(study, words):
    return any(words in sentence for sentence in limits(study))


def test_seeds_limit_what_can_be_said(trained):
    def of(n):
        return limits(trained({"a / x": [0.5 + 0.01 * seed for seed in range(n)]}))[0]

    assert of(1).startswith("With 1 seed there are no intervals:")
    assert of(2).startswith(
        "With 2 seeds the intervals are descriptive only. A 95 % t-interval over 2 runs extends 12.7"
    )
    assert of(3).startswith("With 3 seeds the intervals are rough.")
    assert of(6).startswith("With 6 seeds the 95 % t-interval assumes that scores are normally distributed")


def test_intervals_past_what_a_score_can_be_are_named(trained):
    study = trained({"a / x": [0.85, 0.95], "b / x": [0.5, 0.51]})
    assert _said(study, "beyond 0 or 100 %, where no score can be, because they rest on too few runs: a / x.")
    assert not _said(trained({"b / x": [0.5, 0.51]}), "beyond")


def test_overlapping_intervals_leave_the_best_arm_open(trained):
    close = trained({"a / x": [0.50, 0.52, 0.51], "b / x": [0.50, 0.53, 0.52]})
    apart = trained({"a / x": [0.50, 0.501, 0.502], "b / x": [0.70, 0.701, 0.702]})
    assert _said(close, "b / x has the best mean, but its interval overlaps with that of a / x")
    assert not _said(apart, "overlaps")


def test_pairs_are_counted_where_there_are_several(trained):
    assert _said(trained({f"{arm} / x": [0.5, 0.6] for arm in "abcd"}), "4 arms make 6 pairwise comparisons")
    assert not _said(trained({"a / x": [0.5, 0.6], "b / x": [0.5, 0.6]}), "pairwise")


def test_groups_are_named_as_parts(cell, record, trained, frames):
    one = record(cell(task="detection"), {"test/ap": 0.3, "test/ap_by_size/small": 0.1})
    assert _said(frames([one], [one]), "AP by object size: each group covers only part")
    assert not _said(trained({"a / x": [0.5]}), "each group")


def test_arms_with_fewer_seeds_are_named(trained):
    uneven = trained({"a / x": [0.5, 0.6], "b / x": [0.5, None], "c / x": [None, None]})
    assert _said(uneven, "Some arms have fewer finished seeds than others: b / x (1 of 2) and c / x (0 of 2).")
    assert _said(uneven, "Of 6 cells, 0 failed and 3 did not run")
    assert not _said(trained({"a / x": [0.5, 0.6], "b / x": [0.5, 0.4]}), "fewer")


def test_unequal_cost_is_stated_with_its_size(cell, record, frames):
    cells = [cell("cost", "a / x"), cell("cost", "b / x")]
    values = [{"params/total": 100.0, "macs/total": 7.0}, {"params/total": 131.0, "macs/total": 7.0}]
    study = frames(cells, [record(*pair) for pair in zip(cells, values, strict=True)])
    assert _said(study, "differ in parameters by up to 31 %: they are compared with the same recipe")
    assert not _said(study, "MACs by up to")


def test_budget_and_where_validation_was_best(cell, record, frames):
    cells = [cell(seed=0), cell(seed=1)]
    shared = {"test/miou": 0.5, "train/images": 2048}
    values = [shared | {"val/best_at_images": 2048}, shared | {"val/best_at_images": 1024}]
    study = frames(cells, [record(*pair) for pair in zip(cells, values, strict=True)])
    assert _said(study, "Each run saw 2,048 training images")
    assert _said(study, "In 1 of 2 runs the best validation score came at the end of training.")


def test_a_recipe_that_varies_is_named(cell, record, frames):
    cells = [cell(seed=0), cell(seed=1)]
    unlike = [
        record(one, {"test/miou": 0.5}, settings={"clip_norm": norm, "batch": 8})
        for one, norm in zip(cells, (1, 2), strict=True)
    ]
    assert _said(frames(cells, unlike), "they differ in clip_norm.")
    assert not _said(frames(cells, unlike[:1]), "differ in clip_norm")


def test_scores_on_two_versions_of_the_data_are_not_comparable(cell, record, frames):
    cells = [cell(seed=0), cell(seed=1)]
    records = [record(one, {"test/miou": 0.5}, data_fingerprint=one.cell_id) for one in cells]
    assert _said(frames(cells, records), "2 versions of the data")
    assert not _said(frames(cells, records[:1]), "versions of the data")


def test_the_machine_of_a_latency_is_named(cell, record, frames):
    timed = cell("latency")
    study = frames([timed], [record(timed, settings={"device": "cpu"}, environment=ENVIRONMENT)])
    assert _said(study, "Latency was measured on one machine only, on cpu (a CPU);")


def test_latencies_that_are_not_told_apart_have_no_order(session):
    study = session({"a / x": [5.0] * 6, "b / x": [5, 6, 7, 5, 4, 6], "c / x": [5.1] * 6, "d / x": [6.0] * 6})
    assert _said(study, "It is undecided whether b / x is faster or slower than a / x.")
    assert _said(study, "c / x is as fast, within the margin, as a / x.")
    assert not _said(study, "d / x is")
    assert _said(study, "Latencies are compared only with that of a / x, not with one another.")


def test_latencies_of_several_sessions_have_no_order(cell, record, frames):
    timed = [record(cell("latency", arm), {"latency_ms/median": 1.0}) for arm in ("a / x", "b / x")]
    assert _said(frames(timed, timed), "The latency of 2 arms was not measured in blocks of the same session")
    assert not _said(frames(timed[:1], timed[:1]), "same session")


def test_what_disturbed_a_latency_is_a_limit(cell, record, frames):
    timed = cell("latency")
    study = frames([timed], [record(timed, notes=["2 of 6 blocks were disturbed."])])
    assert _said(study, "Note on latency: 2 of 6 blocks were disturbed.")


def test_code_that_cannot_be_repeated_is_a_limit(cell, record, frames):
    cells = [cell(seed=0), cell(seed=1)]

    def of(*environments):
        return frames(cells, [record(one, environment=e) for one, e in zip(cells, environments, strict=False)])

    assert not _said(of(ENVIRONMENT), "commit")
    assert _said(of(ENVIRONMENT | {"dirty": True}), "The code had uncommitted changes")
    assert _said(of(ENVIRONMENT, ENVIRONMENT | {"commit": "def"}), "2 versions of the code")
    assert _said(of({}), "The records name no commit")


def test_without_a_score_nothing_is_concluded(cell, frames):
    assert limits(frames([cell()], []))[0] == "No arm has a score: nothing can be concluded about accuracy."


def test_what_was_decided_of_the_data_is_said_once(cell, record, frames):
    cells = [cell(seed=seed) for seed in (0, 1)]
    study = frames(cells, [record(one, {"test/miou": 0.5}, notes=["2 boxes were dropped."]) for one in cells])
    assert limits(study).count("Note: 2 boxes were dropped.") == 1


def test_the_learning_rates_are_said(cell, record, frames):
    cells = [cell("train", f"{arm} / x", seed=0) for arm in "abc"]

    def study(*rates):
        told = zip(cells, rates, strict=True)
        return frames(cells, [record(each, {"test/miou": 0.5}, settings={"lr": lr}) for each, lr in told])

    assert _said(study(0.1, 0.1, 0.1), "with the same learning rate, 0.1, which may suit some better")
    assert _said(study(0.1, 0.2, 0.1), "with different learning rates: 0.1 for a / x and c / x; 0.2 for b / x.")
    assert not _said(study(0.1, 0.2, 0.1), "the same settings")
    assert not _said(frames(cells[:1], [record(cells[0], {"test/miou": 0.5})]), "learning rate")


def test_effects_of_few_seeds_are_said_to_be_described_and_not_tested(trained):
    few = trained({"unet / add": [0.5, 0.6, 0.55], "unet / max": [0.6, 0.65, 0.6]})
    assert _said(few, "1 effect of a single choice rests on fewer than 6 seeds: described, not tested.")
    assert not _said(few, "Undecided:")


def test_undecided_effects_are_counted(trained):
    scores = [0.5, 0.52, 0.51, 0.5, 0.53, 0.49]
    arms = {
        f"unet / {name}": [value + shift for value in scores] for name, shift in (("a", 0), ("b", 0.1), ("c", 0.2))
    }
    assert not _said(trained(arms), "Undecided:")
    arms["unet / d"] = [0.5, 0.53, 0.5, 0.5, 0.52, 0.5]
    assert _said(trained(arms), "Undecided: 1 of 3 tested effects of a single choice (the suite states no margin")
