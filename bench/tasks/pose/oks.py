"""OKS-AP: COCO's average precision of figures, object keypoint similarity in the part of IoU."""

from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor

from skipbench.bench.records.metrics import percentage
from skipbench.bench.tasks.pose.figures import Figures

SIGMAS = {  # COCO's, of a person's joints: how far annotators differ, in units of the figure's scale
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


def sigmas(joints: tuple[str, ...]) -> list[float]:
    """Return COCO's sigma of each joint where all of them are a person's as COCO calls them, else 0.1 for each."""
    is_person = {*joints} <= PERSON
    return [SIGMAS[name.split("_")[-1]] if is_person else OTHER for name in joints]


class OksScore:
    """Average precision over OKS .50 to .95 of the figures that were looked for.

    OKS is the mean over a figure's annotated joints of exp(-d^2 / (2 area (2 sigma)^2)), d being the distance to
    the predicted joint in px. No dataset here tells a figure's area, so it is the square of half the longer side
    of the box around its joints, about what a standing person covers. A figure's score, by which figures are
    ranked, is the mean height of its joints' maxima. As figures are looked for where they are, this is COCO's AP
    of a top-down method that is given the true boxes. A figure whose joints have no extent counts nowhere.
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

    def add(self, prediction: Tensor, heights: Tensor, figures: Figures) -> None:
        """Take in predicted joints (N, F, J, 2) in px and their maxima's heights (N, F, J), NaN: not looked for."""
        known = figures.annotated & prediction.isfinite().all(-1)
        counted = known.any(2) & (figures.sides > 0)
        for image in range(len(prediction)):
            self._images += 1
            for number in counted[image].nonzero()[:, 0].tolist():
                annotated = known[image, number]
                score = float(heights[image, number][annotated].mean())
                area = (float(figures.sides[image, number]) / 2) ** 2
                self._truth.append(self._annotation(figures.joints[image, number], annotated) | {"area": area})
                self._found.append(self._annotation(prediction[image, number], annotated) | {"score": score})

    def _annotation(self, joints: Tensor, annotated: Tensor) -> dict[str, Any]:
        """Return the newest image's figure (J, 2) as a COCO file has it."""
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
        """Return the average precision over all OKS, at .50 and at .75; nothing where no figure counts."""
        if not self._truth:
            return {}
        evaluator = COCOeval_faster(
            self._dataset(self._truth), self._dataset(self._found), "keypoints", kpt_oks_sigmas=sigmas(self._joints)
        )
        evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0.0, np.inf]], ["all"]
        evaluator.params.maxDets = [len(self._truth)]
        evaluator.evaluate()
        evaluator.accumulate()
        precision = evaluator.eval["precision"][..., 0, 0, 0]  # (OKS, recall)
        scored = {"oks_ap": precision, "oks_ap50": precision[0], "oks_ap75": precision[5]}
        return {name: float(each.mean()) for name, each in scored.items()}

    def _dataset(self, annotations: list[dict[str, Any]]) -> COCO:
        return COCO(
            {
                "images": [{"id": image} for image in range(1, self._images + 1)],
                "categories": [{"id": 1, "name": "figure", "keypoints": list(self._joints)}],
                "annotations": [{"id": n, **each} for n, each in enumerate(annotations, start=1)],
            }
        )
