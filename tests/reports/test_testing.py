"""Every figure keeps the contract, and what breaks it is said in words."""

import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from skipbench.bench.testing import declarations
from skipbench.reports import figures
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import figure_names, register_figure
from skipbench.reports.testing import check_figure

DECLARED = declarations()
STUDIES = ["one arm", "forty arms", "no results", "no cost results", "no latency results", "no train results"]
WIDE = ["3.3 in wide", "6.9 in wide"]


@pytest.mark.parametrize("name", figure_names())
def test_every_figure_keeps_the_contract(name):
    findings = check_figure(name, DECLARED)
    assert [finding.check for finding in findings] == [*STUDIES, *WIDE]
    assert [finding.message for finding in findings if not finding.ok] == []
    assert "drawn, 9.5 x " in findings[1].message
    assert "nothing to show: " in findings[2].message
    assert [finding.message for finding in findings[-2:]] == [
        f"all of it fits into {inches} in" for inches in (3.3, 6.9)
    ]


def needing_latency(study):
    if "latency_ms/median" not in set(study.values["key"]):
        raise NothingToShow("There is no latency to show.")
    return Figure()


def needing_two_arms(study):
    if len(study.arms) < 2:
        raise NothingToShow("There is nothing to compare: the study has one arm.")
    return Figure()


@pytest.fixture
def broken():
    """Register a figure and return what is found wrong with it, by study; then forget it."""

    def findings(draw, **words):
        own = {"title": "Mine", "caption": "A figure of mine.", "alt": "It shows something."}
        register_figure("mine", **own | words)(draw)
        return {finding.check: finding.message for finding in check_figure("mine", DECLARED) if not finding.ok}

    yield findings
    figures.FIGURES._entries.pop("mine", None)
    pyplot.close("all")


@pytest.mark.parametrize("draw", [needing_latency, needing_two_arms, lambda study: Figure()])
def test_a_figure_may_lack_facts_and_say_so(broken, draw):
    assert broken(draw) == {}


@pytest.mark.parametrize(
    ("draw", "words", "studies", "says"),
    [
        (
            lambda study: Figure(figsize=(study.wide("cost")["params/total"].min() / 1e6, 3)),
            {},
            ["no results", "no cost results"],
            "Where facts are missing, raise NothingToShow and say which.",
        ),
        (lambda study: pyplot.figure(), {}, STUDIES, "it is made with pyplot, which keeps it open"),
        (lambda study: None, {}, STUDIES, "TypeError: it returns None, expected a matplotlib Figure."),
        (lambda study: Figure(), {"caption": " "}, STUDIES, "its caption is ' ', expected a sentence"),
        (lambda study: Figure(), {"alt": lambda study: 3}, STUDIES, "its alt is 3, expected a sentence"),
        (lambda study: Figure(), {"below": lambda study: [3]}, STUDIES, "`below` gives 3, expected a Table or"),
    ],
)
def test_what_breaks_the_contract_is_said_in_words(broken, draw, words, studies, says):
    found = broken(draw, **words)
    assert [check for check in found if check not in WIDE] == studies
    assert all(says in message for message in found.values())


def test_a_figure_that_never_draws_is_told_so(broken):
    def shy(study):
        raise NothingToShow("There is never anything.")

    assert broken(shy) == {"forty arms": "nothing to show: There is never anything. But this study lacks nothing."}


def test_a_figure_that_does_not_fit_a_column_is_told_so(broken):
    def wide(study):
        figure = Figure(figsize=(12, 2))
        figure.text(
            0, 0.5, "a sentence that takes more than three inches of the twelve that it has here, in each font"
        )
        return figure

    found = broken(wide)
    assert list(found) == ["3.3 in wide"]
    assert "at 3.3 in it reaches" in found["3.3 in wide"]
