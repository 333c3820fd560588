"""The gallery shows every built-in figure, in a small picture, with the command that draws it."""

import re
from pathlib import Path

import pytest
from PIL import Image

from skipbench.reports.figures import FIGURES, figure_kind

DOCS = Path(__file__).parents[2] / "docs"
PARTS = dict(re.findall(r"^## (\w+): (.*?)(?=^## |\Z)", (DOCS / "gallery.md").read_text("utf-8"), re.S | re.M))


def test_the_gallery_has_every_built_in_figure_and_no_other():
    assert list(PARTS) == sorted(FIGURES.own)
    assert {file.stem for file in (DOCS / "gallery").iterdir()} == FIGURES.own


@pytest.mark.parametrize("name", sorted(FIGURES.own))
def test_each_has_a_small_picture_its_title_and_its_command(name):
    assert PARTS[name].startswith(f"{figure_kind(name).title}\n")
    (alt,) = re.findall(rf'<img src="gallery/{name}\.png" width="330" alt="([^"]+)">', PARTS[name])
    assert alt.endswith(".")
    file = DOCS / "gallery" / f"{name}.png"
    assert file.stat().st_size <= 60_000
    with Image.open(file) as image:
        assert image.width == 660
    assert re.search(rf"\nskipbench plot runs/\w+ {name}( --task \w+)? --width column --format pdf\n", PARTS[name])
