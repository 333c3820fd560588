"""What the page says of how sure an order, an effect or a score is; and which part of a picture an arm has."""

from itertools import pairwise

import pytest

from skipbench.analysis.frames import from_records
from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.tasks import TASKS
from skipbench.reports.bands import bands
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import figure_kind
from skipbench.reports.plot import draw, save
from skipbench.reports.sections import computed
from skipbench.reports.spread import grid, sources, stable_ranks

ARMS = ("unet / add", "unet / concat", "fpn / add", "fpn / concat")


def test_ranks_say_how_often_an_arm_is_first_and_on_the_front(study):
    facts = study(arms=ARMS, seeds=range(6))
    rows = facts.values["key"] == "test/miou"
    facts.values.loc[rows & (facts.values["arm"] == "fpn / add"), "value"] = 0.99
    sentence, table = stable_ranks(facts)
    assert sentence.sentences == [
        "When the 6 seeds that arms share are drawn anew, fpn / add has the best mean mIoU in 100 % of 2,000 draws."
    ]
    shown = {row[0]: row[1:] for row in table.rows}
    assert shown["fpn / add"][:3] == ["1", "1 to 1", "100"]
    assert sum(int(row[2]) for row in shown.values()) == 100
    assert table.folded
    assert "On the front of MACs (%)" in [column.title for column in table.columns]


def test_one_seed_has_no_stability(study):
    with pytest.raises(NothingToShow, match="two arms with two seeds in common"):
        list(stable_ranks(study(seeds=(0,))))


def test_a_grid_has_main_effects_and_interactions_and_is_tested_with_six_seeds(study):
    facts = study(arms=ARMS, seeds=range(6))
    rows = facts.values["key"] == "test/miou"
    facts.values.loc[rows & facts.values["arm"].str.startswith("fpn"), "value"] += 0.3
    sentence, table = grid(facts)
    assert "after Holm's correction, these change mIoU: fpn − unet by +" in sentence.sentences[0]
    assert [row[0] for row in table.rows] == ["model", "fusion", "model × fusion"]
    assert table.columns[-1].title == "p, Holm"
    sentence, table = grid(study(arms=ARMS, seeds=range(3)))
    assert sentence.sentences == ["Over the grid of model and fusion, nothing is tested with fewer than 6 seeds."]
    assert table.columns[-1].title == "95 % high"


def test_arms_of_one_factor_make_no_grid_and_the_usual_seeds_no_split(study):
    with pytest.raises(NothingToShow, match="do not cross two factors"):
        list(grid(study(arms=("unet / add", "unet / concat"))))
    with pytest.raises(NothingToShow, match=r"varied one source alone \(recipe.vary\)"):
        list(sources(study()))


def test_the_claims_that_need_no_arms_are_named_with_their_command(study):
    ((said,),) = [block.sentences for block in computed(study())]
    assert said.startswith("Claims 10, 13 and 16 are about networks alone, and are computed by skipbench claims ")


@pytest.mark.parametrize("kind", ["cost", "breakdown", "predictions"])
def test_every_arm_has_bands_of_its_own_that_do_not_overlap(study, tmp_path, kind):
    facts = study(arms=ARMS)
    (figure,) = draw(kind, facts).values()
    save(figure, tmp_path / "figure.png", "png")
    found = bands(figure)
    assert {band.arm for band in found} == set(ARMS)
    assert all(0 <= band.top < band.bottom <= 1 for band in found)
    assert all(one.bottom <= two.top + 1e-3 for one, two in pairwise(found))
    assert [band.arm for band in found][:4] == list(facts.arms["arm"])
    assert figure_kind(kind).chart is None  # which would follow the list of arms itself


def test_scores_vary_most_with_the_source_that_moves_them_most():
    cells, records = [], []
    for source, spread in (("initialisation", 0.01), ("order", 0.03), ("augmentation", 0.02)):
        arm, about = f"unet / recipe.vary={source}", {"task": "segmentation", "dataset": "shapes"}
        for seed, way in enumerate((-1, 1, -1, 1)):
            varied = {"seed": seed, "spec": {}, "varied": {"recipe.vary": source}, "arm": arm, **about}
            cells.append(Cell(kind="train", model="unet", determines=varied, **varied))
            records.append(RunRecord.of(cells[-1], status="ok", values={"test/miou": 0.5 + way * spread}))
    declared = {("segmentation", "shapes"): [score.on("test") for score in TASKS["segmentation"].scorers[0].scores]}
    sentence, table = sources(*from_records(cells, records, declared=declared).studies())
    assert sentence.sentences == ["mIoU varies most with the order: SD 3.5 points for unet."]
    found = {row[1]: (row[3], row[-1]) for row in table.rows}  # 2 / sqrt(3) of how far both ways are
    expected = {"initialisation": ("1.2", "7"), "order": ("3.5", "64"), "augmentation": ("2.3", "29")}
    assert found == expected
