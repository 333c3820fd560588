"""Networks that a run has trained, with what their images need."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from skipbench.archs import EncoderDecoder
from skipbench.bench.data import DataInfo
from skipbench.bench.data.pictures.opener import Opener
from skipbench.bench.data.pictures.scaling import Scaling
from skipbench.bench.data.windows import Window, windows_of
from skipbench.bench.errors import BenchError, StoreError
from skipbench.bench.plugins import load_plugins
from skipbench.bench.records import WEIGHTS, RunRecord
from skipbench.bench.records.reader import Run, open_run
from skipbench.bench.records.tables import inside
from skipbench.bench.tasks import TASKS, Task, create_task
from skipbench.bench.training.evaluation import normalised


@dataclass(frozen=True)
class Trained:
    """A trained network, in evaluation mode on the CPU; `network(prepare(images))` are its logits."""

    network: EncoderDecoder
    record: RunRecord  # of its training: `record.values` has its scores, `record.settings` all about its recipe

    @property
    def task(self) -> str:
        """What it was trained for: "segmentation"."""
        return self.record.task

    @property
    def classes(self) -> tuple[str, ...]:
        """The data's classes, joints or objects, in the order of its channels."""
        return tuple(self.record.settings["classes"])

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in px of the images that it was trained on."""
        height, width = self.record.settings["data"]["size"]
        return height, width

    @property
    def mean(self) -> tuple[float, ...]:
        """What is taken from each channel of an image from 0 to 1."""
        return tuple(self.record.settings["mean"])

    @property
    def std(self) -> tuple[float, ...]:
        """What each channel is divided by then."""
        return tuple(self.record.settings["std"])

    @property
    def scaling(self) -> Scaling:
        """How images come to have 8 bits, and the channels that the network takes."""
        return Scaling.recalled(self.record.settings["data"].get("scaling"))

    @property
    def opener(self) -> Opener:
        """What opens new images as those that it was trained on."""
        channels = self._opening.get("channels", self.scaling.opener.channels)
        return Opener(channels, self._opening.get("huge", False))

    @property
    def upright(self) -> bool:
        """Whether it was trained on photographs that are turned as their EXIF orientation says."""
        return bool(self._opening.get("upright", True))

    @property
    def _opening(self) -> dict[str, Any]:
        opening: dict[str, Any] = self.record.settings["data"].get("opening", {})
        return opening

    def windows(self, size: tuple[int, int]) -> list[Window]:
        """Return the windows in which it sees an image of `size` (H, W), as it did while it was trained."""
        data = self.record.settings["data"]
        return windows_of(data.get("resize", "stretch"), size, self.size, data.get("overlap", 0.0))

    def create_task(self) -> Task:
        """Return the task, with the options that it was trained for, for images without a truth."""
        settings = self.record.settings
        annotation = TASKS[self.task].annotation.recalled(self.classes, settings["data"])
        counts: dict[str, int] = settings["data"]["counts"]
        info = DataInfo(self.record.dataset, self.size, counts, fingerprint="", annotations=(annotation,))
        return create_task(self.task, info, settings["task"])

    def prepare(self, images: Tensor) -> Tensor:
        """Return RGB images (N, 3, H, W), uint8 or from 0 to 1, as the network takes them."""
        return normalised(images, self.mean, self.std)


def load_trained(
    run: Path | str,
    *,
    arm: str | None = None,
    seed: int | None = None,
    task: str | None = None,
    dataset: str | None = None,
    plugins: Iterable[Path | str] = (),
) -> Trained:
    """Return the network of an arm in the state that scored best on validation and was tested.

    What is not given must be the same of all networks that the run keeps; of several seeds, it is the best on
    validation. Raises BenchError, which names what there is, where that leaves none or more than one, StoreError
    where `run` is no run, and PretrainedError where the weights cannot be read.
    """
    load_plugins(map(Path, plugins))
    opened = open_run(Path(run))
    kept = [record for record in opened.records() if record.status == "ok" and WEIGHTS in record.artifacts]
    if not kept:
        raise BenchError(
            f"{run} keeps no trained network: none has been trained to its end, or none was to be kept."
        )
    for name, wanted in {"task": task, "dataset": dataset, "arm": arm, "seed": seed}.items():
        there = list(dict.fromkeys(getattr(record, name) for record in kept))
        if wanted is None and name != "seed" and len(there) > 1:
            raise BenchError(
                f"{run} keeps networks of more than one {name}; choose one with --{name}, in Python {name}=: "
                f"{_words(there)}."
            )
        if wanted is not None:
            if wanted not in there:
                raise BenchError(f"{run} keeps no network of the {name} {wanted!r}; there is {_words(there)}.")
            kept = [record for record in kept if getattr(record, name) == wanted]
    return _load(opened.directory, max(kept, key=lambda record: _quality(opened, record)))


def _words(there: Iterable[object]) -> str:
    return ", ".join(map(repr, there))


def _quality(run: Run, record: RunRecord) -> float:
    """Return the headline's score on validation, the higher the better."""
    headline = run.metrics[record.task, record.dataset][0]
    return headline.sign * record.values[headline.validation_key]


def _load(directory: Path, record: RunRecord) -> Trained:
    try:
        weights = inside(directory, record.artifacts[WEIGHTS])
    except ValueError as error:
        raise StoreError(f"the weights of {record.name} cannot be read: {error}.") from error
    network = EncoderDecoder.from_weights(record.spec, weights, ("spec", f"'{record.name}' in {directory}"))
    return Trained(network, record)
