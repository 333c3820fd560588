"""The course of a training: loss, learning rate and speed at some of its steps, and every validation's scores."""

from dataclasses import dataclass, field

import numpy as np

POINTS = 100  # evenly spread over a training; one with fewer steps has as many
COLUMNS = ("images", "loss", "lr", "images_per_s")


@dataclass
class Curve:
    """What has been recorded so far, and what has been summed up since the last point."""

    points: list[list[float]] = field(default_factory=list)  # COLUMNS: images seen, mean loss since the last ...
    validations: list[dict[str, float]] = field(default_factory=list)
    losses: float = 0.0
    seconds: float = 0.0
    steps: int = 0

    def add_step(self, loss: float, seconds: float) -> None:
        """Take in a step."""
        self.losses, self.seconds, self.steps = self.losses + loss, self.seconds + seconds, self.steps + 1

    def add_point(self, images: int, lr: float, batch_size: int) -> None:
        """Record a point after so many `images`, where the last step was taken at the learning rate `lr`."""
        self.points.append([images, self.losses / self.steps, lr, self.steps * batch_size / self.seconds])
        self.losses, self.seconds, self.steps = 0.0, 0.0, 0

    def add_validation(self, images: int, scores: dict[str, float]) -> None:
        """Record the scores after so many images."""
        self.validations.append({"images": images, **{f"val/{key}": score for key, score in scores.items()}})

    def tables(self) -> dict[str, dict[str, np.ndarray]]:
        """Return the "curve" and the "validations" as columns; a score that is not defined is NaN."""
        points = np.array(self.points, np.float64).reshape(-1, len(COLUMNS))
        keys = dict.fromkeys(["images", *(key for scores in self.validations for key in scores)])
        scores = {key: np.array([each.get(key, np.nan) for each in self.validations], np.float64) for key in keys}
        tables = {"curve": dict(zip(COLUMNS, points.T, strict=True)), "validations": scores}
        return {name: {**columns, "images": columns["images"].astype(np.int64)} for name, columns in tables.items()}
