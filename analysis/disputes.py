"""On which test images arms differ most in what they get right."""

from collections.abc import Sequence

from skipbench.bench.predictions import Prediction


def disputed(arms: Sequence[Prediction]) -> list[int]:
    """Return the images in which there is something to predict, the most disputed first; all, if there is none.

    An image is the more disputed, the further apart the best and the worst arm's shares of what is right; of
    equally disputed images the one comes first on which arms are worst, then the first in the test split.
    """
    every = range(len(arms[0].images))
    told = [index for index in every if arms[0].right(index)[1]]
    shares = {
        index: [right / total for right, total in (arm.right(index) for arm in arms) if total] for index in told
    }
    return sorted(told, key=lambda index: (min(shares[index]) - max(shares[index]), sum(shares[index]))) or list(
        every
    )
