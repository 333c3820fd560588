"""How near the predicted joints are: PCK and mean error, pooled over all joints of a split."""

from collections.abc import Mapping

import torch
from torch import Tensor

from skipbench.bench.data import DataInfo, Joints
from skipbench.bench.predictions import Skeletons
from skipbench.bench.records import SIZES
from skipbench.bench.records.metrics import Breakdown, Metric, percentage
from skipbench.bench.tasks.pose.figures import Figures

SPLIT_AT = Skeletons.RIGHT  # of a figure's reference length: the PCK that is also told per joint, visibility, size
THRESHOLDS = (0.05, SPLIT_AT, 0.2)
VISIBILITIES = {"visible": 2, "occluded": 1}
ANNOTATED = "Visible and occluded joints as they are annotated; one that is not annotated counts nowhere"
LONGER_SIDE = "Joints of figures, by the longer side of the box around a figure's joints"


def _pck(threshold: float, *by: Breakdown) -> Metric:
    label = f"PCK@{threshold:g}".replace("0.", ".")
    return percentage(f"pck@{threshold}", label, *by, rule="The reference length of a figure: $reference.")


def _by_visibility(key: str) -> Breakdown:
    return Breakdown("visibility", f"{key}_by_visibility/", tuple(VISIBILITIES), ANNOTATED, contrast="joints")


class JointScore:
    """Collects joints: the share within a fraction of the reference length (PCK) and the mean distance in px.

    A joint counts where it is annotated and was looked for; in PCK, where its figure has a length too. The
    figure's size is its longer side against the dataset's limits.
    """

    scores = (
        _pck(
            SPLIT_AT,
            Breakdown("joint", f"pck@{SPLIT_AT}/"),
            _by_visibility(f"pck@{SPLIT_AT}"),
            Breakdown("figure size", f"pck@{SPLIT_AT}_by_size/", SIZES, LONGER_SIDE),
        ),
        *(_pck(threshold) for threshold in THRESHOLDS if threshold != SPLIT_AT),
        Metric("error_px", "Error", "px", "lower", digits=2, least=0, by=(_by_visibility("error_px"),)),
    )

    def __init__(self, info: DataInfo) -> None:
        self._info = info
        self._joints: list[Tensor] = []  # (k, 5) each: error, error / length, kind of joint, visibility, size

    def add(self, prediction: Tensor, figures: Figures, visibility: Tensor) -> None:
        """Take in predicted joints (N, F, J, 2) in px, NaN where none was looked for, and visibility (N, F, J)."""
        # In float64, where a quotient that should equal a threshold does.
        error = torch.linalg.vector_norm(prediction.double() - figures.joints.double(), dim=-1)
        relative = error / figures.lengths(self._info[Joints].reference).double()[..., None]
        sizes = torch.bucketize(figures.sides, figures.sides.new_tensor(self._info.limits), right=True)
        kinds = torch.arange(error.shape[2], device=error.device)
        columns = [each.expand_as(error) for each in (error, relative, kinds, visibility, sizes[..., None])]
        self._joints.append(torch.stack(columns, -1)[error.isfinite() & figures.annotated].cpu())

    def absent(self) -> list[str]:
        """Return the joints of which none counts."""
        seen = {int(kind) for joints in self._joints for kind in joints[:, 2]}
        return [name for kind, name in enumerate(self._info[Joints].names) if kind not in seen]

    def compute(self) -> dict[str, float]:
        """Return the scores by name; one that no joint counts in is absent."""
        joints = torch.cat(self._joints) if self._joints else torch.empty(0, 5)
        error, relative, kinds, visibility, sizes = joints.unbind(1)
        every = {"": torch.ones_like(error, dtype=torch.bool)}
        by_kind = {f"/{name}": kinds == kind for kind, name in enumerate(self._info[Joints].names)}
        by_visibility = {f"_by_visibility/{name}": visibility == value for name, value in VISIBILITIES.items()}
        by_size = {f"_by_size/{name}": sizes == index for index, name in enumerate(SIZES)}
        values = _means("error_px", error, every | by_visibility)
        for threshold in THRESHOLDS:
            groups = every | by_kind | by_visibility | by_size if threshold == SPLIT_AT else every
            values |= _means(f"pck@{threshold}", _within(relative, threshold), groups)
        return values


def _within(relative: Tensor, threshold: float) -> Tensor:
    """Return 1 where a relative error is at most the threshold, else 0; NaN where there is no length."""
    return torch.where(relative.isnan(), torch.nan, (relative <= threshold).double())


def _means(name: str, values: Tensor, groups: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the mean of each group's values that are not NaN, under the name and the group's suffix."""
    means = {name + suffix: values[group].nanmean().item() for suffix, group in groups.items()}
    return {key: mean for key, mean in means.items() if mean == mean}
