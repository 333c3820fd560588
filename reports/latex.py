"""Tables for LaTeX: a `tabular` with the rules of booktabs and numbers set by siunitx, to stand in a `table`."""

import re
from collections.abc import Sequence

import pandas as pd

from skipbench.display import one_line, shortened
from skipbench.reports.tables import ARM, MISSING, Column, Table

LONG = 40  # letters of a cell: a column of longer ones is a paragraph
NAME = 60  # letters of an arm's name, which has no place to break at: the other formats have it in full
PARAGRAPH = r"p{0.35\linewidth}"
NUMBER = re.compile(r"(?:(?P<comparator>[<>≥]) )?(?P<sign>[-+−])?(?P<whole>[\d,]+)(?:\.(?P<rest>\d+))?")
COMPARATORS = {"<": "<", ">": ">", "≥": r"\geq "}
SPECIAL = {
    **{letter: rf"\{letter}" for letter in "&%$#_{}"},
    **{
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "–": "--",
        "…": r"\ldots{}",
    },
    **{"→": r"$\rightarrow$", "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "≥": r"$\geq$", "≤": r"$\leq$"},
    **{"≈": r"$\approx$", "µ": r"$\mu$", "Δ": r"$\Delta$", "<": "$<$", ">": "$>$", '"': "''", "|": "$|$"},
}
ESCAPED = str.maketrans(SPECIAL)


def as_latex(table: Table) -> str:
    """Return a table's shown cells; above it, as comments, its caption and the packages that it needs.

    What is special in LaTeX is escaped, and a long name of an arm loses its middle. A column of numbers is an `S`
    column, aligned at the decimal point, in which what is missing stands in braces.
    """
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    columns = [
        tuple(shortened(cells, NAME)) if column == ARM else cells
        for column, cells in zip(table.columns, columns, strict=True)
    ]
    layout = [_layout(column, cells) for column, cells in zip(table.columns, columns, strict=True)]
    shown = pd.DataFrame(
        {
            place: [_number(cell) if how[0] == "S" else one_line(cell).translate(ESCAPED) for cell in cells]
            for place, (how, cells) in enumerate(zip(layout, columns, strict=True))
        }
    )
    titles = [one_line(column.title).translate(ESCAPED) for column in table.columns]
    styler = shown.style.hide(axis="index").format_index(lambda place: titles[int(str(place))], axis="columns")
    body: str = styler.to_latex(column_format="".join(layout), hrules=True, siunitx=True)
    notes = ["Needs booktabs and siunitx.", *table.caption.splitlines()]
    return "".join(f"% {note}\n" for note in notes) + body


def _layout(column: Column, cells: Sequence[str]) -> str:
    """Return the letter of a column in the preamble, with what siunitx has to know of an `S` column."""
    found = [NUMBER.fullmatch(cell) for cell in cells if cell != MISSING]
    if not column.number or not found or not all(found):
        return "r" if column.number else PARAGRAPH if any(len(cell) > LONG for cell in cells) else "l"
    numbers = [match for match in found if match]
    whole = max(len(match["whole"].replace(",", "")) for match in numbers)
    rest = max(len(match["rest"] or "") for match in numbers)
    signs, compared = ({match[part] for match in numbers} - {None} for part in ("sign", "comparator"))
    comparator = COMPARATORS[min(compared)] if compared else ""
    sign = "+" if "+" in signs else "-" if signs else ""
    kept = ", retain-explicit-plus" if sign == "+" else ""
    return f"S[table-format={comparator}{sign}{whole}{f'.{rest}' if rest else ''}{kept}]"


def _number(cell: str) -> str:
    """Return a shown number as siunitx reads it; what is missing stands in braces."""
    if cell == MISSING:
        return "{--}"
    for sign, name in COMPARATORS.items():
        cell = cell.replace(f"{sign} ", name)
    return cell.replace(",", "").replace("−", "-")
