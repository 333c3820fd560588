"""Scores recomputed for any choice of test images, from the counts that a training leaves of each image.

A recount is a function from how often each image counts, (R, N), to the score of each of R such choices, (R,). A
score that is not defined for one, such as that of no object, is NaN there.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[np.float64]
Recount = Callable[[Numbers], Numbers]
Tables = Mapping[str, pd.DataFrame]  # of one training, by name, as in Frames.images
RECALLS = np.linspace(0, 1, 101)
THRESHOLDS = tuple(range(10))  # the bits that stand for the overlaps .50, .55 ... .95
SUREST = 100  # detections of an image and a class that AP is of


def recount(key: str, tables: Tables, images: int) -> Recount | None:
    """Return the recount of a test score ("test/miou") over `images` images; None where none is known.

    Raises KeyError where a table lacks a column.
    """
    name, _, limit = key.removeprefix("test/").partition("@")
    needed, prepare = RECOUNTS.get(name, ((), None))
    if prepare is None or not {*needed} <= tables.keys():
        return None
    options = {"limit": float(limit)} if limit else {}
    return prepare(*(tables[table] for table in needed), images=images, **options)


def _counts(table: pd.DataFrame, images: int, columns: list[str]) -> Iterator[Numbers]:
    """Yield for each column what each image has of each class, (N, K)."""
    names, classes = np.unique(table["class"].to_numpy(str), return_inverse=True)
    for column in columns:
        counts = np.zeros((images, len(names)))
        np.add.at(counts, (table["image"].to_numpy(), classes), table[column].to_numpy(float))
        yield counts


def _sums(places: pd.Series, images: int, values: ArrayLike | None = None) -> Numbers:
    """Return the sum of `values` in each image, (N,), or without any, how many there are of `places`."""
    weights = None if values is None else np.asarray(values, dtype=float)
    return np.bincount(places, weights, minlength=images).astype(float)


def _over_classes(scores: Numbers, seen: NDArray[np.bool_]) -> Numbers:
    """Return the mean (R,) of the scores (R, K) of the classes that are seen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no class is seen: NaN
        return np.asarray(np.nanmean(np.where(seen, scores, np.nan), axis=1))


def _regions(classes: pd.DataFrame, images: int, dice: bool) -> Recount:
    right, true, found = _counts(classes, images, ["right", "true", "found"])

    def score(weights: Numbers) -> Numbers:
        r, t, f = (weights @ counts for counts in (right, true, found))
        shares = 2 * r / np.maximum(t + f, 1) if dice else r / np.maximum(t + f - r, 1)
        return _over_classes(shares, t > 0)

    return score


def _boundaries(classes: pd.DataFrame, images: int) -> Recount:
    names = ("found_right", "found", "true_found", "true")
    counted = list(_counts(classes, images, [f"boundary_{name}" for name in names]))

    def score(weights: Numbers) -> Numbers:
        found_right, found, true_found, true = (weights @ counts for counts in counted)
        precision, recall = found_right / np.maximum(found, 1), true_found / np.maximum(true, 1)
        both = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
        return _over_classes(both, true > 0)

    return score


def _mean(sums: Numbers, counts: Numbers) -> Recount:
    """Return the recount of a mean, from the sums and the counts (N,) of each image."""

    def score(weights: Numbers) -> Numbers:
        total = weights @ counts
        return np.asarray(np.where(total > 0, weights @ sums / np.maximum(total, 1), np.nan))

    return score


def _merged(merges: pd.DataFrame, images: int) -> Recount:
    lost, objects = (np.bincount(merges["image"], merges[name], images) for name in ("merges", "objects"))
    return _mean(lost.astype(float), objects.astype(float))


def _rand_error(merges: pd.DataFrame, images: int) -> Recount:
    pairs = merges["pairs_true"] + merges["pairs_found"]
    wrong = np.bincount(merges["image"], pairs - 2 * merges["pairs_both"], images)
    return _mean(wrong.astype(float), np.bincount(merges["image"], pairs, images).astype(float))


def _pck(joints: pd.DataFrame, images: int, limit: float) -> Recount:
    known = joints[joints["error_share"].notna()]
    places = known["image"]
    return _mean(_sums(places, images, known["error_share"] <= limit), _sums(places, images))


def _error(joints: pd.DataFrame, images: int) -> Recount:
    return _mean(_sums(joints["image"], images, joints["error_px"]), _sums(joints["image"], images))


def _bit(bits: NDArray[Any], threshold: int) -> NDArray[np.bool_]:
    return (bits >> threshold & 1).astype(bool)


def _precision(found: pd.DataFrame, truths: Numbers, thresholds: tuple[int, ...]) -> Recount:
    """Return the recount of one class's AP over thresholds: of `found` detections and `truths` (N,) to be found.

    As COCO has it: precision, made monotone, at 101 recalls. It can only be highest, and recall can only grow, at a
    detection that is right, so both are computed at those alone: (R, N) weights times (N, right) counts.
    """
    order = np.argsort(-found["score"].to_numpy(), kind="stable")
    image, right, neutral = (found[name].to_numpy()[order] for name in ("image", "right", "neutral"))
    images = len(truths)

    def at(weights: Numbers, true: Numbers, threshold: int) -> Numbers:
        counted = ~_bit(neutral, threshold)
        places = np.flatnonzero(_bit(right, threshold) & counted)
        if not len(places):
            return np.zeros(len(weights))
        turns = len(places) + 1  # a detection belongs to the first right one that does not come before it
        turn = np.searchsorted(places, np.arange(len(image)))
        before = np.bincount(image * turns + turn, counted, minlength=images * turns).reshape(images, turns)
        taken = weights @ before.cumsum(1)[:, :-1]
        hits = weights[:, image[places]].cumsum(1)
        shares = hits / (taken + np.spacing(1))
        highest = np.maximum.accumulate(shares[:, ::-1], axis=1)[:, ::-1]
        reached = np.searchsorted(RECALLS, hits / np.maximum(true, 1)[:, None], side="right")
        return np.asarray((np.diff(reached, axis=1, prepend=0) * highest).sum(1) / len(RECALLS))

    def score(weights: Numbers) -> Numbers:
        true = weights @ truths
        each = np.mean([at(weights, true, threshold) for threshold in thresholds], axis=0)
        return np.asarray(np.where(true > 0, each, np.nan))

    return score


def _classes(detections: pd.DataFrame, truths: pd.DataFrame, images: int, most: int) -> list[tuple[Any, Numbers]]:
    """Return, per class that is to be found, its detections, of each image the surest, and its boxes (N,)."""
    rank = detections.groupby(["image", "class"]).cumcount()
    found = dict(list(detections[rank < most].groupby("class")))
    return [
        (found.get(name, detections.iloc[:0]), _sums(rows["image"], images, rows["boxes"]))
        for name, rows in truths.groupby("class")
    ]


def _mean_of(parts: list[Recount]) -> Recount:
    """Return the recount of the mean over classes, of those that a choice of images has."""

    def score(weights: Numbers) -> Numbers:
        each = np.stack([part(weights) for part in parts], 1) if parts else np.full((len(weights), 1), np.nan)
        return _over_classes(each, ~np.isnan(each))

    return score


def _ap(detections: pd.DataFrame, truths: pd.DataFrame, images: int, thresholds: tuple[int, ...]) -> Recount:
    by_class = _classes(detections, truths, images, SUREST)
    return _mean_of([_precision(found, boxes, thresholds) for found, boxes in by_class])


def _ar(detections: pd.DataFrame, truths: pd.DataFrame, images: int, most: int) -> Recount:
    parts = []
    for found, boxes in _classes(detections, truths, images, most):
        bits = found["right"].to_numpy()
        right = np.mean([_bit(bits, threshold) for threshold in THRESHOLDS], axis=0)
        parts.append(_mean(_sums(found["image"], images, right), boxes))
    return _mean_of(parts)


def _oks(people: pd.DataFrame, images: int, thresholds: tuple[int, ...]) -> Recount:
    true = _sums(people["image"], images)
    return _precision(people.assign(neutral=0), true, thresholds)


RECOUNTS: dict[str, tuple[tuple[str, ...], Callable[..., Recount]]] = {  # score -> tables, and what prepares them
    "miou": (("classes",), partial(_regions, dice=False)),
    "dice": (("classes",), partial(_regions, dice=True)),
    "boundary_f": (("classes",), _boundaries),
    "merges": (("merges",), _merged),
    "rand_error": (("merges",), _rand_error),
    "pck": (("joints",), _pck),
    "error_px": (("joints",), _error),
    "oks_ap": (("people",), partial(_oks, thresholds=THRESHOLDS)),
    "oks_ap50": (("people",), partial(_oks, thresholds=THRESHOLDS[:1])),
    "oks_ap75": (("people",), partial(_oks, thresholds=THRESHOLDS[5:6])),
    "ap": (("detections", "truths"), partial(_ap, thresholds=THRESHOLDS)),
    "ap50": (("detections", "truths"), partial(_ap, thresholds=THRESHOLDS[:1])),
    "ap75": (("detections", "truths"), partial(_ap, thresholds=THRESHOLDS[5:6])),
    "ar100": (("detections", "truths"), partial(_ar, most=100)),
    "ar1000": (("detections", "truths"), partial(_ar, most=1000)),
}
