"""Curves as TensorBoard's event files, a folder for each training: RUN/tensorboard/<arm>/seed<n>."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from skipbench.bench.files import whole_file
from skipbench.bench.records import Cell, RunRecord, content_hash
from skipbench.bench.records.reader import sentences
from skipbench.bench.records.tables import read_table

FOLDER = "tensorboard"
FILE = "events.out.tfevents.{}"  # of a cell's id; TensorBoard looks for the middle part
LETTERS = 80  # of a folder's name
KEPT = "; the records are kept"


class Events:
    """Writes a training's event file when it has ended, from the tables that its record has.

    Where the plan has several studies, their folders stand between: RUN/tensorboard/pose-on-scenes/<arm>/seed<n>.
    """

    def __init__(self, directory: Path, cells: Sequence[Cell]) -> None:
        self._directory = directory
        self._arms = _names({cell.arm for cell in cells})
        studies = {f"{cell.task}-on-{cell.dataset}" for cell in cells}
        self._studies = _names(studies) if len(studies) > 1 else dict.fromkeys(studies, "")

    def write(self, records: Iterable[RunRecord]) -> None:
        """Write the files of those records that have curves, in place of those of other cells of the same names.

        Raises StoreError for a table that cannot be read, or a file that cannot be written.
        """
        for record in records:
            if "curve" in record.artifacts:
                with sentences(self._directory, KEPT):
                    self._write(record)

    def write_missing(self, records: Iterable[RunRecord]) -> None:
        """Write the files of those records that have none yet. Raises StoreError."""
        self.write(record for record in records if not self._file(record).is_file())

    def _file(self, record: RunRecord) -> Path:
        study = self._studies[f"{record.task}-on-{record.dataset}"]
        folder = self._directory / FOLDER / study / self._arms[record.arm] / f"seed{record.seed}"
        return folder / FILE.format(record.cell_id)

    def _write(self, record: RunRecord) -> None:
        file = self._file(record)
        content = _events(self._directory, record)
        for other in file.parent.glob(FILE.format("*")):  # TensorBoard would draw both as one training
            other.unlink()
        with whole_file(file) as written:
            written.write(content)


def _events(directory: Path, record: RunRecord) -> bytes:
    """Return the event file of a training: "train/loss", "train/lr", "train/images_per_s", "val/<score>"."""
    from torch.utils.tensorboard import SummaryWriter  # takes a second

    tables = {role: read_table(directory, record.artifacts[role]) for role in ("curve", "validations")}
    images, speed = (tables["curve"][name].to_numpy() for name in ("images", "images_per_s"))
    began = datetime.fromisoformat(record.created_at).timestamp() - (record.seconds or 0.0)
    clock = began + np.cumsum(np.diff(images, prepend=0) / speed)  # when it had seen so many images
    with TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            for prefix, table in zip(("train/", ""), tables.values(), strict=True):
                steps = table["images"].to_numpy()
                for name in (name for name in table.column_names if name != "images"):
                    for step, value, at in zip(
                        steps, table[name].to_numpy(), np.interp(steps, images, clock), strict=True
                    ):
                        writer.add_scalar(f"{prefix}{name}", value, int(step), walltime=float(at))
        (file,) = Path(folder).iterdir()
        return file.read_bytes()


def _names(given: Iterable[str]) -> dict[str, str]:
    """Return names for folders, each other than the rest; a short hash tells those apart that would be equal."""
    names = {name: re.sub(r"[^\w=,.+-]+", "_", name)[:LETTERS].strip("._") or "_" for name in given}
    counts = Counter(names.values())
    return {
        name: plain if counts[plain] == 1 else f"{plain}-{content_hash(name)[:6]}" for name, plain in names.items()
    }
