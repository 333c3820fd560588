"""The images on which arms differ most come first."""

import numpy as np
import pytest

from skipbench.analysis.disputes import disputed
from skipbench.bench.predictions import LabelMaps

CLASSES = np.array(["ground", "car"])


def maps(*right: int) -> LabelMaps:
    """Return predictions of images of four pixels, of which so many are right; -1 stands for no annotation."""
    truth = np.zeros((len(right), 1, 4), np.uint8)
    truth[np.array(right) < 0] = LabelMaps.IGNORE_INDEX
    prediction = np.array([[[0] * max(n, 0) + [1] * (4 - max(n, 0))] for n in right], np.uint8)
    return LabelMaps(np.zeros((len(right), 1, 4, 3), np.uint8), truth, prediction, CLASSES)


@pytest.mark.parametrize(
    ("arms", "order"),
    [
        ([maps(4, 4, 2), maps(4, 1, 1)], [1, 2, 0]),
        ([maps(4, 0, 2)], [1, 2, 0]),  # of one arm, the worst
        ([maps(3, 3), maps(2, 2)], [0, 1]),  # of equals, the first
        ([maps(4, -1, 0), maps(0, -1, 0)], [0, 2]),
        ([maps(-1, -1)], [0, 1]),
    ],
)
def test_the_most_disputed_images_come_first(arms, order):
    assert disputed(arms) == order
