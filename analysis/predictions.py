"""What each arm predicted on the test images that a run keeps."""

from pathlib import Path

from skipbench.analysis.frames import Frames
from skipbench.bench.predictions import Prediction, read_prediction
from skipbench.display import one_line


def kept_predictions(study: Frames) -> tuple[dict[str, Prediction], list[str]]:
    """Return the prediction of each arm's first finished run that kept one that can be used, in the plan's order.

    And a sentence on each file that a record names and that cannot be used.
    """
    found: dict[str, Prediction] = {}
    lost: list[str] = []
    for record in study.finished("train"):
        path = record.artifacts.get("predictions")
        if record.arm in found or path is None or study.directory is None:
            continue
        try:
            kept = read_prediction(_inside(study.directory, path))
            for arm, first in list(found.items())[:1]:
                if type(kept) is not type(first) or kept.images.shape != first.images.shape:
                    raise ValueError(f"its images are not those of {arm}")
            found[record.arm] = kept
        except Exception as error:  # numpy and zipfile raise whatever a damaged file leads them to
            why = one_line(str(error) or type(error).__name__, 200).rstrip(".")
            lost.append(f"The predictions of {record.arm}, seed {record.seed}, cannot be used: {why}.")
    return found, lost


def _inside(directory: Path, name: str) -> Path:
    """Return the path of a file of the run folder. Raises ValueError where it lies outside."""
    path = (directory / name).resolve()
    if not path.is_relative_to(directory.resolve()):
        raise ValueError(f"{name} lies outside the run folder")
    return path
