"""The scores of pose: how near the joints are (PCK, mean error), and COCO's AP for people (OKS-AP)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor

from skipbench.bench.data import DataInfo, Joints
from skipbench.bench.data.loading import Batch
from skipbench.bench.predictions import Skeletons
from skipbench.bench.records import SIZES
from skipbench.bench.records.metrics import Breakdown, Metric, percentage
from skipbench.bench.tasks.base import Scorer, Tables
from skipbench.bench.tasks.matching import rows
from skipbench.bench.tasks.pose.people import People

if TYPE_CHECKING:
    from skipbench.bench.tasks.pose import Pose

SPLIT_AT = Skeletons.RIGHT  # of a person's reference length: the PCK that is also told per joint, visibility, size
THRESHOLDS = (0.05, SPLIT_AT, 0.2)
VISIBILITIES = {"visible": 2, "occluded": 1}
ANNOTATED = "Visible and occluded joints as they are annotated; those that are not annotated are ignored"
LONGER_SIDE = "Joints of people, by the longer side of the box around a person's joints"

SIGMAS = {  # COCO's, of a person's joints: how far annotators differ, in units of the person's scale
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
}
PERSON = {"nose", *(f"{side}_{joint}" for side in ("left", "right") for joint in list(SIGMAS)[1:])}
OTHER = 0.1  # of the joints of anything else


def _pck(threshold: float, *by: Breakdown) -> Metric:
    label = f"PCK@{threshold:g}".replace("0.", ".")
    return percentage(f"pck@{threshold}", label, *by, rule="The reference length of a person: $reference.")


def _by_visibility(key: str) -> Breakdown:
    return Breakdown("visibility", f"{key}_by_visibility/", tuple(VISIBILITIES), ANNOTATED, contrast="joints")


class JointScore:
    """Collects joints: the share within a fraction of the reference length (PCK) and the mean distance in px.

    A joint counts where it is annotated and was looked for; in PCK, where its person has a length too. The
    person's size is its longer side against the dataset's limits.
    """

    scores = (
        _pck(
            SPLIT_AT,
            Breakdown("joint", f"pck@{SPLIT_AT}/"),
            _by_visibility(f"pck@{SPLIT_AT}"),
            Breakdown("person size", f"pck@{SPLIT_AT}_by_size/", SIZES, LONGER_SIDE),
        ),
        *(_pck(threshold) for threshold in THRESHOLDS if threshold != SPLIT_AT),
        Metric("error_px", "Error", "px", "lower", digits=2, least=0, by=(_by_visibility("error_px"),)),
    )

    def __init__(self, info: DataInfo) -> None:
        self._info = info
        self._images = 0
        # (k, 7) each: error, error / length, kind of joint, visibility, size, image, number of the person in it
        self._joints: list[Tensor] = []

    def add(self, prediction: Tensor, people: People, visibility: Tensor) -> None:
        """Take in predicted joints (N, P, J, 2) in px, NaN where none was looked for, and visibility (N, P, J)."""
        # In float64, where a quotient that should equal a threshold does.
        error = torch.linalg.vector_norm(prediction.double() - people.joints.double(), dim=-1)
        relative = error / people.lengths(self._info[Joints].reference).double()[..., None]
        sizes = torch.bucketize(people.sides, people.sides.new_tensor(self._info.limits), right=True)
        kinds = torch.arange(error.shape[2], device=error.device)
        images, numbers = (torch.arange(count, device=error.device) for count in error.shape[:2])
        places = (images[:, None, None] + self._images, numbers[:, None])
        self._images += len(error)
        columns = [
            column.expand_as(error) for column in (error, relative, kinds, visibility, sizes[..., None], *places)
        ]
        self._joints.append(torch.stack(columns, -1)[error.isfinite() & people.annotated].cpu())

    def absent(self) -> list[str]:
        """Return the joints of which none counts."""
        seen = {int(kind) for joints in self._joints for kind in joints[:, 2]}
        return [name for kind, name in enumerate(self._info[Joints].names) if kind not in seen]

    @property
    def _columns(self) -> tuple[Tensor, ...]:
        return (torch.cat(self._joints) if self._joints else torch.empty(0, 7, dtype=torch.float64)).unbind(1)

    def per_image(self) -> Tables:
        """Return all "joints" that count: their errors in px and as shares of their person's length (or NaN)."""
        error, relative, *indices = (column.numpy() for column in self._columns)
        kinds, visibility, sizes, images, people = (column.astype(np.int64) for column in indices)
        seen = {value: name for name, value in VISIBILITIES.items()}
        columns = {
            "image": images,
            "person": people,
            "joint": np.array(self._info[Joints].names)[kinds],
            "visibility": np.array([seen[value] for value in visibility], dtype=str),
            "size": np.array(SIZES)[sizes],
            "error_px": error,
            "error_share": relative,
        }
        return {"joints": columns}

    def compute(self) -> dict[str, float]:
        """Return the scores by name; one that no joint counts in is absent."""
        error, relative, kinds, visibility, sizes, *_ = self._columns
        every = {"": torch.ones_like(error, dtype=torch.bool)}
        by_kind = {f"/{name}": kinds == kind for kind, name in enumerate(self._info[Joints].names)}
        by_visibility = {f"_by_visibility/{name}": visibility == value for name, value in VISIBILITIES.items()}
        by_size = {f"_by_size/{name}": sizes == index for index, name in enumerate(SIZES)}
        values = _means("error_px", error, every | by_visibility)
        for threshold in THRESHOLDS:
            groups = every | by_kind | by_visibility | by_size if threshold == SPLIT_AT else every
            within = (relative <= threshold).double().masked_fill(relative.isnan(), torch.nan)  # NaN: no length
            values |= _means(f"pck@{threshold}", within, groups)
        return values


def _means(name: str, values: Tensor, groups: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the mean of each group's values that are not NaN, under the name and the group's suffix."""
    means = {name + suffix: values[group].nanmean().item() for suffix, group in groups.items()}
    return {key: mean for key, mean in means.items() if mean == mean}


class OksScore:
    """Average precision over OKS .50 to .95 of the people that were looked for.

    OKS is the mean over a person's annotated joints of exp(-d^2 / (2 area (2 sigma)^2)), d being the distance to
    the predicted joint in px. No dataset here tells a person's area, so it is the square of half the longer side
    of the box around their joints, about what a standing person covers. A person's score, by which people are
    ranked, is the mean height of their joints' maxima. As people are looked for where they are, this is COCO's AP
    of a top-down method that is given the true boxes. A person whose joints have no extent is ignored.
    """

    scores = (
        percentage("oks_ap", "OKS-AP"),
        percentage("oks_ap50", "OKS-AP50"),
        percentage("oks_ap75", "OKS-AP75"),
    )

    def __init__(self, joints: tuple[str, ...]) -> None:
        self._joints = joints
        self._images = 0
        self._truth: list[dict[str, Any]] = []
        self._found: list[dict[str, Any]] = []

    def add(self, prediction: Tensor, heights: Tensor, people: People) -> None:
        """Take in predicted joints (N, P, J, 2) in px and their maxima's heights (N, P, J), NaN: not looked for."""
        known = people.annotated & prediction.isfinite().all(-1)
        counted = known.any(2) & (people.sides > 0)
        for image in range(len(prediction)):
            self._images += 1
            for number in counted[image].nonzero()[:, 0].tolist():
                annotated = known[image, number]
                score = float(heights[image, number][annotated].mean())
                area = (float(people.sides[image, number]) / 2) ** 2
                self._truth.append(self._annotation(people.joints[image, number], annotated) | {"area": area})
                self._found.append(self._annotation(prediction[image, number], annotated) | {"score": score})

    def _annotation(self, joints: Tensor, annotated: Tensor) -> dict[str, Any]:
        """Return the newest image's person (J, 2) as a COCO file has it."""
        places = np.column_stack([joints.double().nan_to_num(0.0).numpy(), 2.0 * annotated.numpy()])
        about = {
            "image_id": self._images,
            "category_id": 1,
            "iscrowd": 0,
            "bbox": [0.0, 0.0, 1.0, 1.0],
            "area": 1.0,
        }
        return about | {"keypoints": places.ravel().tolist(), "num_keypoints": int(annotated.sum())}

    def compute(self) -> dict[str, float]:
        """Return the average precision over all OKS, at .50 and at .75; nothing where no person counts."""
        if not self._truth:
            return {}
        evaluator = self._evaluated()
        evaluator.accumulate()
        precision = evaluator.eval["precision"][..., 0, 0, 0]  # (OKS, recall)
        scored = {"oks_ap": precision, "oks_ap50": precision[0], "oks_ap75": precision[5]}
        return {name: float(precisions.mean()) for name, precisions in scored.items()}

    def per_image(self) -> Tables:
        """Return all "people" that count, each once true and once found, the surest of an image first.

        The bits of "right" stand for the OKS .50, .55 ... .95, from the lowest: at which the found one has a true
        one of its own.
        """
        found = rows(self._found, self._truth, self._evaluated().ious if self._truth else {})
        return {"people": {name: found[name] for name in ("image", "score", "right")}}

    def _evaluated(self) -> COCOeval_faster:
        evaluator = COCOeval_faster(
            self._dataset(self._truth), self._dataset(self._found), "keypoints", kpt_oks_sigmas=sigmas(self._joints)
        )
        evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0.0, np.inf]], ["all"]
        evaluator.params.maxDets = [len(self._truth)]
        evaluator.evaluate()
        return evaluator

    def _dataset(self, annotations: list[dict[str, Any]]) -> COCO:
        return COCO(
            {
                "images": [{"id": image} for image in range(1, self._images + 1)],
                "categories": [{"id": 1, "name": "person", "keypoints": list(self._joints)}],
                "annotations": [{"id": n, **each} for n, each in enumerate(annotations, start=1)],
            }
        )


def sigmas(joints: tuple[str, ...]) -> list[float]:
    """Return COCO's sigma of each joint where all of them are a person's as COCO calls them, else 0.1 for each."""
    is_person = {*joints} <= PERSON
    return [SIGMAS[name.split("_")[-1]] if is_person else OTHER for name in joints]


class PoseScorer(Scorer):
    """PCK, mean error and OKS-AP of one pass over a split; it decodes where the outputs are."""

    scores = (JointScore.scores[0], *OksScore.scores, *JointScore.scores[1:])

    def __init__(self, task: "Pose", device: torch.device) -> None:
        super().__init__(task, device)
        self._scores = JointScore(task.info)
        self._oks = OksScore(task.info[Joints].names)

    def update(self, outputs: list[Tensor], batch: Batch) -> None:
        """Take in outputs, the last of which counts, (N, J, h, w), and a batch's joints and visibility."""
        points, heights = (values.cpu() for values in self.task.locate(outputs[-1], batch))
        truth = {key: batch[key].cpu() for key in Joints.keys}  # a device need not know float64
        people = People.of(truth)
        self._scores.add(points, people, truth["visibility"])
        self._oks.add(points, heights, people)

    def compute(self) -> dict[str, float]:
        """Return the scores; one that no joint or no person counts in is absent."""
        return self._scores.compute() | self._oks.compute()

    def absent(self) -> list[str]:
        """Return the joints that no person has."""
        return self._scores.absent()

    def per_image(self) -> Tables:
        """Return the "joints" and the "people" of each image."""
        return self._scores.per_image() | self._oks.per_image()
