"""What reads files, each given a damaged one: a folder of its own and a source of randomness are its arguments."""

import contextlib
import io
import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from fuzz_damage import TOKENS, VALUES, damaged_bytes, damaged_json, damaged_text, damaged_value
from PIL import Image
from safetensors.torch import load_file, save_file

from skipbench import archs
from skipbench.bench.cli import main as skipbench
from skipbench.bench.data import open_data
from skipbench.bench.errors import BenchError
from skipbench.bench.predictions import LabelMaps
from skipbench.bench.records import Cell, RunRecord
from skipbench.bench.records.store import write_run
from skipbench.bench.suites.plan import make_plan
from skipbench.bench.suites.reading import load_suite
from skipbench.bench.tasks.segmentation.metrics import SegmentationScorer

SUITE = """
name: tiny
seeds: [0, 1]
data: {name: scenes, size: [32, 32], train: 16, val: 4, test: 4}
model: {encoder: resnet18, width: 8}
studies:
  - arms: [{sweep: {model: [fpn, unet], fusion: [add, concat]}}, {model: hourglass, stacks: 2, encoder_args: {}}]
  - task: pose
    arms: [{model: rectified_gaussian, passes: 2}]
    recipe: {images: 16, lr: 0.01, augmentation: {flip: 0.5, crop_area: [0.8, 1.0]}}
recipe: {images: 16, batch_size: 8, validations: 1, threads: 1, device: cpu}
latency: {rounds: 2, warmup: 1, threads: 1, device: cpu}
cost: {size: [32, 32]}
"""
KEYS = (
    "name",
    "seeds",
    "data",
    "data.size",
    "model.width",
    "arms",
    "recipe.lr",
    "task.sigma",
    "pose",
    "x.y.z",
)


def suite(folder: Path, draw: random.Random) -> None:
    """Plan a damaged suite."""
    content = yaml.safe_load(SUITE)
    for _ in range(draw.choice((0, 1, 1, 2))):
        content = damaged_value(content, draw)
    text = SUITE if draw.random() < 0.3 else draw.choice((json.dumps, yaml.safe_dump))(content)
    text = damaged_text(text, draw) if draw.random() < 0.5 else text
    (folder / "suite.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    make_plan(load_suite(str(folder / "suite.yaml")))


def override(folder: Path, draw: random.Random) -> None:
    """Plan a sound suite with a damaged override."""
    (folder / "suite.yaml").write_text(SUITE)
    keys = [draw.choice(KEYS) for _ in range(draw.choice((1, 1, 1, 2, 400)))]
    value = draw.choice((json.dumps(draw.choice(VALUES)), draw.choice(TOKENS), damaged_text("[1, {a: b}]", draw)))
    given = f"{'.'.join(keys)}={value}"
    make_plan(load_suite(str(folder / "suite.yaml"), [given if draw.random() < 0.8 else damaged_text(given, draw)]))


def annotations(folder: Path, draw: random.Random) -> None:
    """Open a dataset of each format with a damaged file, and read a sample of each split."""
    kind = draw.choice((_coco, _voc, _deeplabcut, _folder))
    name = kind(folder, draw)
    data = open_data(name, root=folder, size=[16, 16])
    for split in (data.train, data.val, data.test):
        split[0]


def _images(folder: Path, draw: random.Random, count: int = 7) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number}.png" for number in range(count)]
    for name in names:
        Image.fromarray(np.full((12, 16, 3), draw.randrange(256), np.uint8)).save(folder / name)
    return names


def _coco(folder: Path, draw: random.Random) -> str:
    names = _images(folder / "images", draw)
    runs = {"size": [12, 16], "counts": [10, 30, 152]}
    content = {
        "images": [{"id": i, "file_name": name, "width": 16, "height": 12} for i, name in enumerate(names)],
        "categories": [{"id": 1, "name": "cat", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}],
        "annotations": [
            {
                **{"id": i, "image_id": i, "category_id": 1, "bbox": [1, 1, 8.5, 6], "iscrowd": 0},
                **{"segmentation": [[1, 1, 9, 1, 9, 7]] if i % 2 else runs, "keypoints": [2, 2, 2, 5, 5, 1]},
            }
            for i in range(len(names))
        ],
    }
    (folder / "coco.json").write_text(damaged_json(content, draw), encoding="utf-8", errors="surrogatepass")
    return "coco"


def _voc(folder: Path, draw: random.Random) -> str:
    names = _images(folder / "JPEGImages", draw)
    (folder / "Annotations").mkdir()
    box = "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    size = "<size><width>16</width><height>12</height></size>"
    text = f"<annotation>{size}<object><name>a</name>{box}</object></annotation>"
    heads = ("", "<?xml version='1.0' encoding='xyz'?>", "<?xml version='1.0' encoding='utf-16'?>", "<!DOCTYPE a>")
    for name in names:
        (folder / "Annotations" / f"{Path(name).stem}.xml").write_text(text)
    content = draw.choice(heads) + (damaged_text(text, draw) if draw.random() < 0.8 else text)
    (folder / "Annotations" / "0.xml").write_text(content, encoding="utf-8", errors="surrogatepass")
    return "voc"


def _deeplabcut(folder: Path, draw: random.Random) -> str:
    place = folder / "labeled-data" / "video"
    names = _images(place, draw)
    heads = ["scorer,me,me,me,me", "bodyparts,nose,nose,tail,tail", "coords,x,y,x,y"]
    rows = [f"labeled-data/video/{name},2,2,9,{number}" for number, name in enumerate(names)]
    text = "\n".join([*heads, *rows])
    damaged = damaged_text(text, draw) if draw.random() < 0.8 else text
    (place / "CollectedData_me.csv").write_text(damaged, encoding="utf-8", errors="surrogatepass")
    skeleton = draw.choice(("skeleton:\n- [nose, tail]\n", "", damaged_text("skeleton: []", draw)))
    (folder / "config.yaml").write_text(skeleton, encoding="utf-8", errors="surrogatepass")
    return "deeplabcut"


def _folder(folder: Path, draw: random.Random) -> str:
    for name in _images(folder / "images" / "train", draw):
        (folder / "masks" / "train").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.arange(192, dtype=np.uint8).reshape(12, 16) // 100).save(
            folder / "masks" / "train" / name
        )
    file = draw.choice(sorted(folder.rglob("*.png")))
    file.write_bytes(damaged_bytes(file.read_bytes(), draw))
    (folder / "classes.txt").write_text(
        damaged_text("ground\ncar\n", draw), encoding="utf-8", errors="surrogatepass"
    )
    return "folder"


def _saved(place: Path) -> Path:
    """Return the folder of a small saved network, written once."""
    folder = place / "saved"
    if not folder.exists():
        archs.create_model("unet.paper", encoder_args={"widths": (2, 2)}).save_pretrained(folder)
    return folder


def config(folder: Path, draw: random.Random) -> None:
    """Build a saved network from a damaged config."""
    shutil.copytree(_saved(folder.parent), folder / "network")
    path = folder / "network" / "config.json"
    content = json.loads(path.read_text())
    if draw.random() < 0.5:
        content["factors"] |= {draw.choice(("width", "stacks", "blocks", "passes", "classes")): draw.choice(VALUES)}
        content["factors"]["encoder_args"] = damaged_value({"widths": [2, 2], "depth": 2}, draw)
    path.write_text(damaged_json(content, draw), encoding="utf-8", errors="surrogatepass")
    archs.EncoderDecoder.from_pretrained(folder / "network")


def checkpoint(folder: Path, draw: random.Random) -> None:
    """Read damaged weights, of our own format and of a public one."""
    shutil.copytree(_saved(folder.parent), folder / "network")
    path = folder / "network" / "model.safetensors"
    tensors = load_file(path)
    name = draw.choice(sorted(tensors))
    kinds: tuple[Callable[[torch.Tensor], torch.Tensor], ...] = (
        *(lambda x: x * torch.nan, lambda x: x.to(torch.complex64), lambda x: x.int(), lambda x: x[..., :0]),
        *(lambda x: x.half(), lambda x: x.bool(), lambda x: x[None], lambda x: x),
    )
    tensors[name] = draw.choice(kinds)(tensors[name]).contiguous()
    if draw.random() < 0.5:
        save_file(tensors, path)
        if draw.random() < 0.6:
            path.write_bytes(damaged_bytes(path.read_bytes(), draw))
        archs.EncoderDecoder.from_pretrained(folder / "network")
        return
    torch.save(
        draw.choice((tensors, {"state_dict": tensors}, damaged_value({"model": {"a": 1}}, draw))), folder / "x.pth"
    )
    if draw.random() < 0.6:
        (folder / "x.pth").write_bytes(damaged_bytes((folder / "x.pth").read_bytes(), draw))
    model = archs.create_model("unet.milesial", encoder_args={"widths": (2, 2), "ceil_mode": False})
    archs.load_reference(model, folder / "x.pth", layout="milesial-unet")


def _run(place: Path) -> Path:
    """Return a run folder of two arms with all kinds of records, written once."""
    folder = place / "run"
    if folder.exists():
        return folder
    cells = [
        Cell(
            **{"kind": kind, "arm": model, "model": model},
            **{
                "task": "segmentation",
                "dataset": "shapes",
                "seed": seed,
                "spec": {"encoder": "tiny", "fusion": "add"},
            },
            determines={"kind": kind, "model": model, "seed": seed},
        )
        for kind, seeds in (("cost", (None,)), ("latency", (None,)), ("train", (0, 1)))
        for seed in seeds
        for model in ("unet", "fpn")
    ]
    suite, scores = {"name": "made-up", "description": "", "seeds": [0, 1]}, SegmentationScorer.scores
    declared = {("segmentation", "shapes"): [score.on("test") for score in scores]}
    with write_run(folder, suite, cells, declared) as run:
        run.save([_record(run, cell) for cell in cells])
    return folder


def _record(run: Any, cell: Cell) -> RunRecord:
    maps = np.zeros((2, 6, 8), np.uint8)
    names = ("params/total", "params/encoder", "macs/total", "macs/encoder")
    if cell.kind == "cost":
        more: dict[str, Any] = {"values": dict.fromkeys(names, 1e6), "notes": ["relu: not counted"]}
    elif cell.kind == "latency":
        values = {f"latency_ms/{name}": 5.0 for name in ("median", "low", "high", "p10", "p90")}
        more = {"values": values, "samples": [4.0, 5.0, 6.0], "settings": {"device": "cpu"}}
    else:
        predictions = LabelMaps(np.zeros((2, 6, 8, 3), np.uint8), maps, maps, np.array(["ground", "car"]))
        data = {"size": [6, 8], "counts": {"train": 9}, "size_limits_px": [6, 12], "reference": "nose to tail"}
        more = {
            "values": {"test/miou": 0.5 + 0.1 * (cell.seed or 0), "test/iou/car": 0.5, "train/images_per_s": 9.0},
            "settings": {"images": 16, "lr": 0.01, "data": data},
            "artifacts": run.save_artifacts(cell, {"predictions": predictions.arrays()}),
        }
    environment = {"commit": "0123abc", "dirty": False, "versions": {"torch": "2.0"}}
    return RunRecord(**cell.model_dump(), status="ok", seconds=1.0, environment=environment, **more)


COMMANDS = (
    *(("status",), ("plot", "accuracy"), ("plot", "latency"), ("plot", "cost")),
    *(("plot", "pareto"), ("plot", "predictions"), ("results",), ("status",), ("results",)),
)


def run_folder(folder: Path, draw: random.Random) -> None:
    """Ask a damaged run folder for its state, a figure or its results."""
    run = folder / "run"
    shutil.copytree(_run(folder.parent), run)
    draw.choice((_damage_file, _damage_record, _damage_record, _damage_table))(run, draw)
    command = draw.choice(COMMANDS)
    more = {"results": ("--out", folder / "RESULTS.md"), "plot": ("--format", "svg")}.get(command[0], ())
    complaint = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(complaint):
        code = skipbench([command[0], str(run), *command[1:], *map(str, more)])
    if code == 2:
        raise BenchError(complaint.getvalue().strip())
    assert code == 0, complaint.getvalue()


def _damage_file(run: Path, draw: random.Random) -> None:
    file = draw.choice(sorted(path for path in run.rglob("*") if path.is_file()))
    if draw.random() < 0.2:
        file.unlink()
    else:
        file.write_bytes(damaged_bytes(file.read_bytes(), draw))


def _damage_record(run: Path, draw: random.Random) -> None:
    """Change a record; in half of the cases as a version without digests has written it."""
    with contextlib.closing(sqlite3.connect(run / "run.sqlite")) as database, database:
        cell_id, content = draw.choice(database.execute("SELECT cell_id, content FROM records").fetchall())
        value = damaged_json(json.loads(content), draw).encode("utf-8", "surrogatepass")
        database.execute("UPDATE records SET content = CAST(? AS TEXT) WHERE cell_id = ?", (value, cell_id))
        if draw.random() < 0.5:
            database.execute("DELETE FROM meta WHERE key LIKE 'digest/%'")


def _damage_table(run: Path, draw: random.Random) -> None:
    changes = (
        *("DROP TABLE meta", "DROP TABLE cells", "DROP TABLE records", "DELETE FROM meta", "DELETE FROM cells"),
        *("UPDATE meta SET value = ?", "UPDATE cells SET content = ?", "UPDATE records SET content = ?"),
        *("UPDATE cells SET position = ?", "UPDATE cells SET cell_id = ? WHERE position = 0"),
        "UPDATE meta SET value = ? WHERE key = 'schema_version'",
    )
    change = draw.choice(changes)
    value = draw.choice(
        [value for value in VALUES if isinstance(value, str | bytes | float | None)] + [b"\xff", "99"]
    )
    with contextlib.closing(sqlite3.connect(run / "run.sqlite")) as database, contextlib.suppress(sqlite3.Error):
        database.execute(change, (value,) * change.count("?"))
        database.commit()
