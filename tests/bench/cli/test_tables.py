"""`skipbench tables` and `plot`: what they print and write, and what they refuse in one sentence."""

from pathlib import Path
from typing import Any

import pytest

from skipbench.bench.testing import declarations
from skipbench.reports.testing import MadeUp


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was never measured."""
    folder = tmp_path_factory.mktemp("run") / "run"
    MadeUp(declarations(), 4).write(folder)
    return folder


def test_tables_are_listed_printed_and_written(skipbench: Any, run: Path, tmp_path: Path) -> None:
    listed = skipbench("tables", run)
    assert listed.code == 0
    assert {"accuracy", "cost", "records"} <= {line.split()[0] for line in listed.out.splitlines()}
    latex = skipbench("tables", run, "accuracy", "--format", "latex").out
    assert latex.startswith("% Needs booktabs and siunitx.")
    assert "\\bottomrule" in latex
    some = skipbench(
        "tables", run, "accuracy", "cost", "--arms", "model0*", "--format", "parquet", "--out", tmp_path / "t"
    )
    assert some.out.splitlines() == [f"table: {tmp_path}/t/{name}.parquet" for name in ("accuracy", "cost")]
    assert (tmp_path / "t" / "cost.parquet").read_bytes()[:4] == b"PAR1"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["accuracy", "--format", "parquet"],
            "Parquet is no text that could be printed: name a folder with --out.",
        ),
        (["--format", "excel"], "unknown format 'excel'."),
        (["acuracy"], "unknown table 'acuracy'. Did you mean 'accuracy'?"),
        (["accuracy", "--task", "pos"], "unknown task 'pos'."),
        (["--arms", "model0 / ad"], "unknown arm 'model0 / ad'. Did you mean 'model0 / add'?"),
    ],
)
def test_what_cannot_be_is_refused(skipbench: Any, run: Path, arguments: list[str], says: str) -> None:
    refused = skipbench("tables", run, *arguments)
    assert refused.code == 2
    assert refused.err.startswith(f"skipbench: {says}")
    assert len(refused.err.splitlines()) == 1


def test_a_figure_is_drawn_for_a_column_by_either_name(skipbench: Any, run: Path, tmp_path: Path) -> None:
    drawn = skipbench("plot", run, "accuracy", "--width", "column", "--format", "pdf")
    assert drawn.out == f"figure: {run}/figures/accuracy-column.pdf\n"
    before = skipbench("plot", run, "--kind", "accuracy", "--out", tmp_path / "a.png")
    assert before.out == f"figure: {tmp_path}/a.png\n"
    refused = skipbench("plot", run, "accuracy", "--width", "colum")
    assert refused.code == 2
    assert refused.err.startswith("skipbench: unknown width 'colum'. Did you mean 'column'?")
