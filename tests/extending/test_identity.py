"""A result's identity covers the source of every plugged-in part that it uses, and its imports from beside."""

from pathlib import Path

import pytest

from skipbench.bench.cli.options import load
from skipbench.bench.suites.plan import make_plan
from skipbench.bench.suites.reading import load_suite

FILES = {
    "mine_fusion": """
from skipbench.archs.fusion import Fusion, register_fusion

@register_fusion("mine")
class Mine(Fusion):
    def forward(self, coarse, skip):
        return coarse + skip
""",
    "mine_task": """
from skipbench.bench.tasks import register_task
from skipbench.bench.tasks.segmentation import Segmentation

@register_task("mine")
class Mine(Segmentation):
    pass
""",
    "mine_metric": """
from skipbench.bench.records.metrics import percentage
from skipbench.bench.tasks import Scorer, register_metric

@register_metric("mine")
class Mine(Scorer):
    scores = (percentage("mine", "Mine"),)
    def update(self, outputs, batch): ...
    def compute(self): return {}
""",
    "mine_annotation": """
import torch
from skipbench.bench.data import PixelMap, register_annotation
from skipbench.bench.data.annotations import Key

@register_annotation("mine")
class Mine(PixelMap):
    keys = {"mine": Key(torch.float32)}
    plural = "maps of mine"
    def draw(self, image, sample, factor, colours): return image
""",
    "mine_data": """
from dataclasses import replace
from skipbench.bench.data import ANNOTATIONS, register_dataset
from skipbench.bench.data.scenes import Scenes

@register_dataset("mine")
class Mine(Scenes):
    def open(self):
        data = super().open()
        return replace(data, info=replace(data.info, annotations=(*data.info.annotations, ANNOTATIONS["mine"]())))
""",
}


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """Plug in a part of each kind, whose file imports a helper of its own; one helper is nobody's."""
    for name, source in FILES.items():
        (tmp_path / f"{name}.py").write_text(f"import {name}_helper\n{source}")
        (tmp_path / f"{name}_helper.py").write_text("")
    (tmp_path / "nobody_helper.py").write_text("")
    load([tmp_path / f"{name}.py" for name in FILES])
    return tmp_path


def identities(*overrides: str) -> dict[str, str]:
    """Return the identity of each cell of a small plan, by name."""
    plan = make_plan(
        load_suite(
            "quick",
            [
                "seeds=[0]",
                "data.train=8",
                "arms=[{model: fpn, fusion: add}, {model: fpn, fusion: mine}]",
                *overrides,
            ],
        )
    )
    return {cell.name: cell.cell_id for cell in plan.cells if cell.task != "pose" and cell.task != "detection"}


def test_an_edited_neighbour_is_another_part_to_the_cells_that_use_it(plugins: Path) -> None:
    def changed(edited: str) -> set[str]:
        """Return the cells that are others once a file is edited."""
        before = identities("data.name=mine", "segmentation.task=mine")
        with (plugins / f"{edited}_helper.py").open("a") as file:
            file.write("# edited\n")
        after = identities("data.name=mine", "segmentation.task=mine")
        return {name for name in before if before[name] != after[name]}

    trained = {"train mine: fpn, seed 0", "train mine: fpn / fusion=mine, seed 0"}
    assert changed("nobody") == set()
    assert {edited: changed(edited) for edited in ("mine_task", "mine_metric", "mine_annotation", "mine_data")} == {
        "mine_task": trained,
        "mine_metric": trained,
        "mine_annotation": trained,
        "mine_data": trained,
    }
    timed_together = {"latency mine: fpn", "latency mine: fpn / fusion=mine"}
    assert changed("mine_fusion") == {
        "cost mine: fpn / fusion=mine",
        *timed_together,
        "train mine: fpn / fusion=mine, seed 0",
    }


def test_what_is_plugged_in_and_not_used_changes_no_identity(plugins: Path) -> None:
    with_plugins = identities("arms=[{model: fpn, fusion: add}]")
    for name in FILES:
        with (plugins / f"{name}_helper.py").open("a") as file:
            file.write("# edited\n")
    assert identities("arms=[{model: fpn, fusion: add}]") == with_plugins
    (train,) = [name for name in with_plugins if name.startswith("train")]
    assert train == "train segmentation: fpn, seed 0"
