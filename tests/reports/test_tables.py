"""Tables: the same facts as CSV at full precision and as Markdown the way people read them."""

import math

import pandas as pd
import pytest

from skipbench.bench.records.metrics import percentage
from skipbench.reports.tables import Column, Table, measured, p_value, text, value

FACTS = pd.DataFrame({"arm": ["a | b", "c"], "test/miou": [0.123456789, math.nan], "hidden": [1, 2]})


@pytest.fixture
def table():
    score = percentage("test/miou", "mIoU")
    return Table("facts", "Some facts.", FACTS, (text("arm", "Arm"), value(score.key, score)))


def test_rows_are_as_shown_and_missing_is_no_number(table):
    assert table.rows == [["a | b", "12.3"], ["c", "–"]]


def test_no_p_is_shown_as_zero():
    table = Table("p", "Some.", pd.DataFrame({"p": [0.0473, 0.0001, 9e-5, math.nan]}), (p_value("p", "p"),))
    assert table.rows == [["0.0473"], ["0.0001"], ["< 0.0001"], ["–"]]


def test_markdown_escapes_bars_and_sets_numbers_right(table):
    assert table.markdown().splitlines() == [
        "Some facts.",
        "",
        "| Arm | mIoU (%) |",
        "| --- | ---: |",
        "| a \\| b | 12.3 |",
        "| c | – |",
    ]


def test_a_long_table_is_cut_in_markdown_and_whole_as_csv(tmp_path):
    table = Table("long", "Many.", pd.DataFrame({"arm": [f"=arm{n}" for n in range(1001)]}), (text("arm", "Arm"),))
    assert table.markdown().endswith("| =arm999 |\n\nThe first 1,000 of 1,001 rows.\n")
    table.write(tmp_path)
    assert (tmp_path / "long.csv").read_text().splitlines()[-1] == "'=arm1000"


def test_csv_keeps_every_fact_at_full_precision(table, tmp_path):
    table.write(tmp_path / "tables", prefix="one-")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "tables" / "one-facts.csv"), FACTS)
    assert (tmp_path / "tables" / "one-facts.md").read_text() == table.markdown()


def test_names_are_neither_html_nor_formulas(tmp_path):
    frame = pd.DataFrame({"arm": ["<b>a</b> 1 < 2", "=1+1", "@x", "-2"], "value": [-1.5, 1, 2, 3]})
    table = Table("names", "Names.", frame, (text("arm", "Arm"),))
    assert "| &lt;b>a&lt;/b> 1 < 2 |" in table.markdown()
    table.write(tmp_path)
    assert pd.read_csv(tmp_path / "names.csv")["arm"].tolist() == ["<b>a</b> 1 < 2", "'=1+1", "'@x", "'-2"]
    assert pd.read_csv(tmp_path / "names.csv")["value"].tolist() == [-1.5, 1, 2, 3]


def test_only_measured_columns_are_shown(study):
    columns = measured(study(), FACTS, ("params/total", "test/miou"))
    assert [(column.key, column.title) for column in columns] == [("test/miou", "mIoU (%)")]


def test_a_nullable_seed_is_shown_as_it_is():
    seeds = pd.DataFrame({"seed": pd.array([0, None], dtype="Int64")})
    assert Table("seeds", "", seeds, (Column("seed", "Seed"),)).rows == [["0"], ["–"]]
