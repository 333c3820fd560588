"""LaTeX: tables that compile, aligned at the decimal point, whatever stands in them."""

import math
import re
import shutil
import subprocess

import pandas as pd
import pytest

from skipbench.bench.records.metrics import percentage
from skipbench.reports.latex import SPECIAL, as_latex
from skipbench.reports.tables import ARM, Column, Table, p_value, text, value

SCORE = percentage("test/miou", "mIoU")
HOSTILE = 'a_b=1 & 5% → #$x^2$ ~{c} \\input{/etc/passwd} <b> "q" |'


@pytest.fixture
def table():
    """A table with all that cells may hold."""
    frame = pd.DataFrame(
        {
            "arm": [HOSTILE, "unet / fusion=add", "c"],
            "test/miou": [0.123456789, math.nan, 12.5],
            "difference": [0.5, -0.25, math.nan],
            "p": [0.04, 1e-6, math.nan],
            "macs": [1234567.0, 12.0, 1.0],
            "at_least": [False, True, False],
            "each": ["1.0, 2.0", "–", "3.0"],
            "why": ["short", "a reason that takes more than one line\nof a column in a paper", ""],
        }
    )
    columns = (
        text("arm", "Arm_1"),
        value("test/miou", SCORE),
        value("difference", SCORE, "Change (±)", signed=True),
        p_value("p", "p < 5 %"),
        Column("macs", "MACs", lambda number: f"{number:,.1f}", number=True, counted=True),
        Column("each", "Each", number=True),
        text("why", "Why"),
    )
    return Table("facts", "Some facts of 100 %.", frame, columns)


def cells(latex):
    """Return the rows of a tabular, each a list of cells."""
    body = latex.split("\\toprule\n")[1].split("\\bottomrule")[0].replace("\\midrule\n", "")
    return [re.split(r"(?<!\\) ?& ", line.removesuffix(" \\\\")) for line in body.splitlines()]


def test_numbers_are_columns_of_siunitx_and_the_rest_is_words(table):
    latex = as_latex(table)
    assert re.search(r"\\begin\{tabular\}\{(.*)\}\n\\toprule", latex)[1] == (
        r"p{0.35\linewidth}S[table-format=4.1]S[table-format=+2.1, retain-explicit-plus]S[table-format=<1.4]"
        r"S[table-format=\geq 7.1]rp{0.35\linewidth}"
    )
    head, *rows = cells(latex)
    titles = [r"Arm\_1", r"mIoU (\%)", r"Change ($\pm$)", r"p $<$ 5 \%", "MACs", "Each", "Why"]
    assert head == [f"{{{title}}}" for title in titles]  # in braces, or siunitx would look for numbers in them
    assert [row[1:5] for row in rows] == [
        ["12.3", "+50.0", "0.0400", "1234567.0"],
        ["{--}", "-25.0", "<0.0001", r"\geq 12.0"],
        ["1250.0", "{--}", "{--}", "1.0"],
    ]


def test_every_row_has_as_many_cells_as_columns_and_its_braces_are_in_pairs(table):
    latex = as_latex(table)
    assert {len(row) for row in cells(latex)} == {len(table.columns)}
    depth = [0]
    for letter in re.sub(r"\\[{}]", "", latex):
        depth.append(depth[-1] + {"{": 1, "}": -1}.get(letter, 0))
    assert min(depth) == depth[-1] == 0
    assert latex.startswith("% Needs booktabs and siunitx.\n% Some facts of 100 %.\n\\begin{tabular}")


def test_no_name_is_a_command(table):
    shown = cells(as_latex(table))[1][0]
    assert "\\input" not in shown
    assert r"\textbackslash{}input\{" in shown
    assert not re.search(r"(?<!\\)[%#_]", shown)


def test_an_empty_table_is_a_head_alone():
    latex = as_latex(Table("none", "None.", pd.DataFrame({"arm": []}), (text("arm", "Arm"),)))
    assert cells(latex) == [["{Arm}"]]


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="there is no pdflatex")
def test_latex_takes_it(table, tmp_path):
    every = Table("marks", "Marks.", pd.DataFrame({"mark": list(SPECIAL)}), (text("mark", "Mark"),))
    packages = r"\documentclass{article}\usepackage{booktabs,siunitx}\begin{document}"
    body = "\n\n".join(map(as_latex, (table, every)))
    (tmp_path / "t.tex").write_text(f"{packages}\n{body}\n\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    if "siunitx.sty' not found" in done.stdout:
        pytest.skip("this LaTeX has no siunitx")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "t.pdf").stat().st_size > 1000


def test_a_long_name_loses_its_middle_and_still_differs():
    names = [f"{'a_long_name ' * 10}/ {number}" for number in range(3)]
    body = as_latex(Table("arms", "Arms.", pd.DataFrame({"arm": names}), (ARM,)))
    rows = [line for line in body.splitlines() if r"a\_long" in line]
    assert len(set(rows)) == 3
    assert all(r"\ldots{}" in row and len(row) < 100 for row in rows)
