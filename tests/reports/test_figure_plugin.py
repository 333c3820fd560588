"""A figure of one's own, in one file: a choice of `plot`, on the page, with its pictures and its table."""

import html
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from skipbench.bench.cli import main
from skipbench.bench.plugins import load_plugins
from skipbench.reports import figures, write_report

SPEED = """
from matplotlib.figure import Figure

from skipbench.analysis.summaries import per_arm, why_empty
from skipbench.reports.errors import NothingToShow
from skipbench.reports.figures import register_figure
from skipbench.reports.tables import ARM, Column, Table


def speeds(study):
    return study.wide("train").groupby("arm", sort=False)["train/images_per_s"].mean().reset_index()


@register_figure(
    "speed",
    title="How fast arms train",
    caption="Images per second in training, the mean over runs.",
    alt=lambda study: f"The training speed of {len(study.arms)} arms as bars.",
    below=lambda study: [
        Table("speeds", "Images per second.", speeds(study), (ARM, Column("train/images_per_s", "Images/s")))
    ],
)
def speed(study):
    if why := why_empty(study, "train"):
        raise NothingToShow(why)
    figure = Figure(figsize=(6, 2), layout="constrained")
    table = speeds(study)
    figure.add_subplot().barh(table["arm"], table["train/images_per_s"])
    return figure
"""
ARMS = ("unet / add", "fpn / add")


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    """Write the plug-in's file; what it registers is forgotten after the test."""
    file = tmp_path / "speed.py"
    file.write_text(SPEED)
    yield file
    figures.FIGURES._entries.pop("speed", None)


def test_a_plug_in_is_drawn_by_plot_and_stands_on_the_page(made_up, plugin, tmp_path, capsys):
    run = made_up(arms=ARMS, finished=lambda cell: cell.kind == "train")
    assert main(["plot", str(run), "--plugin", str(plugin), "speed", "--out", str(tmp_path / "s.png")]) == 0
    with Image.open(tmp_path / "s.png") as image:
        assert image.size == (1200, 400)
    assert main(["report", str(run), "--plugin", str(plugin)]) == 0
    assert {(run / "report" / "figures" / f"speed.{form}").is_file() for form in ("png", "svg")} == {True}
    table = pd.read_csv(run / "report" / "tables" / "speeds.csv")
    assert table["arm"].tolist() == list(ARMS)
    assert table["train/images_per_s"].tolist() == [50.0, 51.0]
    page = (run / "report" / "index.html").read_text()
    section = page[page.index('<section id="figure-speed">') : page.index('<section id="gaps">')]
    assert ">How fast arms train</h2>" in section
    assert 'alt="The training speed of 2 arms as bars."' in section
    assert "Images per second in training, the mean over runs." in section
    assert ">51.0</td>" in section
    assert '<a href="#figure-speed">How fast arms train</a>' in page
    capsys.readouterr()
    assert main(["plot", str(run), "spede"]) == 2
    assert "Did you mean 'speed'?" in capsys.readouterr().err
    assert main(["plot", "--help"]) == 0


def test_the_page_says_what_a_plug_in_lacks(made_up, plugin, tmp_path):
    load_plugins([plugin])
    page = write_report(made_up(arms=ARMS, finished=lambda cell: False)).read_text()
    section = page[page.index('<section id="figure-speed">') : page.index('<section id="gaps">')]
    assert "No train cell has a result: 0 failed, 4 not run yet." in section


TORCH_FREE = """
import sys
from skipbench.bench.cli import main
code = main({arguments!r})
sys.exit("torch is imported" if "torch" in sys.modules else code)
"""


def test_a_plug_in_that_needs_no_torch_brings_none(made_up, plugin, tmp_path):
    run = made_up(arms=ARMS, finished=lambda cell: cell.kind == "train")
    arguments = ["plot", str(run), "--plugin", str(plugin), "speed"]
    done = subprocess.run(
        [sys.executable, "-c", TORCH_FREE.format(arguments=arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


BROKEN = {  # what is put in the place of what, and what then goes wrong; the first four already where it is drawn
    (
        "    figure.add_subplot()",
        "    figure.add_subplots()",
    ): "AttributeError: 'Figure' object has no attribute 'add_",
    ("    return figure\n", "    return table\n"): "TypeError: it returns ",
    ("    return figure\n", "    raise SystemExit(3)\n"): "SystemExit: 3",
    (
        "    return figure\n",
        "    figure.draw = lambda *_: 1 / 0\n    return figure\n",
    ): "ZeroDivisionError: division by",
    ("{len(study.arms)}", "{len(study.limbs)}"): "AttributeError: 'Frames' object has no attribute 'limbs'",
    ("lambda study: [", "lambda study: 1 / 0 and ["): "ZeroDivisionError: division by zero",
    ('Column("train/images_per_s"', 'Column("train/speed"'): "KeyError: 'train/speed'",
    ("    title=", "    embed='gif',\n    title="): "KeyError: 'gif'",
}


def test_what_a_plug_in_raises_is_a_sentence_in_its_section(made_up, plugin, capsys):
    sources = []
    for number, (right, wrong) in enumerate(BROKEN):
        assert SPEED.count(right) == 1, right
        sources.append(SPEED.replace(right, wrong).replace('"speed"', f'"speed{number}"'))
    plugin.write_text("\n".join(sources))
    run = made_up(arms=ARMS, finished=lambda cell: cell.kind == "train")
    assert main(["report", str(run), "--plugin", str(plugin)]) == 0
    page = html.unescape((run / "report" / "index.html").read_text())
    assert (run / "report" / "figures" / "accuracy.png").is_file()
    for number, error in enumerate(BROKEN.values()):
        section = page.split(f'<section id="figure-speed{number}">')[1].split("</section>")[0]
        said = f"The figure 'speed{number}' of {plugin} cannot be drawn"
        assert said in section
        assert error in section
        capsys.readouterr()
        if number < 4:  # `plot` does not ask for what stands around a figure
            assert main(["plot", str(run), "--plugin", str(plugin), f"speed{number}"]) == 2
            complaint = capsys.readouterr().err
            assert complaint.startswith(f"skipbench: {said}")
            assert error in complaint
            assert complaint.count("\n") == 1
        del figures.FIGURES._entries[f"speed{number}"]


def test_a_name_that_the_project_has_is_refused_in_a_sentence(made_up, plugin, capsys):
    plugin.write_text(SPEED.replace('"speed"', '"latency"'))
    run = made_up(arms=ARMS, finished=lambda cell: False)
    assert main(["report", str(run), "--plugin", str(plugin)]) == 2
    complaint = capsys.readouterr().err
    assert (
        complaint == f"skipbench: plug-in {plugin}: figure 'latency' is already registered; choose another name.\n"
    )
