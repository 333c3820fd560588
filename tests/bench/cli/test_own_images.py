"""Images that are not 8-bit RGB, from the folder through a training to new images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from skipbench.bench.records.reader import open_run
from skipbench.bench.training.trained import load_trained


def write(root: Path, values: np.ndarray) -> Path:
    """Write 10 images of the values, each shifted, with masks of 0 and 255, and three more images."""
    for kind in ("images", "masks", "more"):
        (root / kind).mkdir(parents=True)
    for number in range(10):
        image = np.roll(values, number, 1)
        tifffile.imwrite(root / f"images/{number}.tif", image, planarconfig="contig", photometric="minisblack")
        mask = np.zeros((40, 56), np.uint8)
        mask[10:30, number : number + 20] = 255
        Image.fromarray(mask).save(root / f"masks/{number}_mask.png")
        if number < 3:
            (root / f"more/{number}.tif").write_bytes((root / f"images/{number}.tif").read_bytes())
    return root


@pytest.mark.parametrize(
    ("values", "options", "channels"),
    [
        (np.random.default_rng(0).integers(0, 4095, (40, 56), np.uint16), ["data.channels=1"], 1),
        (np.random.default_rng(0).integers(0, 255, (40, 56, 5), np.uint8), [], 5),
    ],
    ids=["grey of 12 bits", "five bands"],
)
def test_networks_have_the_images_channels(
    skipbench: Any, tiny_suite: str, tmp_path: Path, values: np.ndarray, options: list[str], channels: int
) -> None:
    root, out = write(tmp_path / "mine", values), tmp_path / "run"
    done = skipbench(
        "run", tiny_suite, "--data", root, "--out", out, "data.classes={0: ground, 255: disc}", *options
    )
    assert done.code == 0, done
    records = list(open_run(out).records())
    assert {record.spec["in_channels"] for record in records} == {channels}
    trained = next(record for record in records if record.kind == "train")
    assert "in_channels" not in trained.arm
    assert trained.settings["data"]["scaling"]["channels"] == channels
    assert len(trained.settings["mean"]) == channels
    notes = " ".join(trained.notes)
    assert ("0 to 4095 is scaled" in notes) == (channels == 1)
    assert ("Images have 5 channels" in notes) == (channels == 5)

    network = load_trained(out, arm=trained.arm, seed=trained.seed)
    assert network.scaling.channels == channels
    found = skipbench("predict", out, root / "more", "--arm", trained.arm, "--out", tmp_path / "found")
    assert found.code == 0, found
    assert len(list((tmp_path / "found").rglob("*.png"))) == 6  # masks and overlays
    assert skipbench("report", out).code == 0
    sheet = skipbench("data", "show", root, "--out", tmp_path / "sheet.png", *_as_set(options))
    assert sheet.code == 0, sheet
    assert json.dumps(trained.settings)


def _as_set(options: list[str]) -> list[str]:
    return [word for option in options for word in ("--set", option.removeprefix("data."))]
