"""Effects at equal budgets stand beside the raw ones in figure and table, each with what its two arms cost."""

from skipbench.reports.figures import figure_kind
from skipbench.reports.plot import draw


def test_each_pair_is_drawn_and_listed_with_its_costs(study):
    facts = study(arms=("unet / concat", "unet / add", "unet / max"))
    facts.factors["matched"] = ["no, macs", "no", "macs"]
    (axes,) = draw("factor", facts)["factor-fusion"].axes
    labels = [" ".join(label.get_text().split()) for label in axes.get_yticklabels()]
    assert labels == [
        "unet / add: add − concat (1.01 x the MACs)",
        "unet / max: max − concat at equal MACs",
    ]
    (table,) = figure_kind("factor").below(facts, "fusion")
    assert "at equal MACs" in table.caption
    heads = [column.title for column in table.columns]
    assert heads[-7:-1] == ["Parameters (M)", "Reference's", "Ratio", "MACs (G)", "Reference's", "Ratio"]
    assert [row[-4:-1] for row in table.rows] == [["0.266", "0.264", "1.008"], ["0.268", "0.264", "1.015"]]


def test_without_a_budget_there_are_no_costs(study):
    (table,) = figure_kind("factor").below(study(), "fusion")
    assert not {"Ratio", "Reference's"} & {column.title for column in table.columns}
    assert "at equal" not in table.caption
