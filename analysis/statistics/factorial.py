"""Main effects and interactions of factors over a grid of arms, each trained with the same seeds."""

import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import combinations, product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from skipbench.analysis.statistics.intervals import LEVEL
from skipbench.analysis.statistics.significance import holm

MIXED = "mixed model (REML), seed as random group"
BLOCKED = "least squares with seed as a block, as the mixed model did not converge"
COLUMNS = ["factors", "levels", "estimate", "low", "high", "p", "p_holm", "method"]
Numbers = NDArray[np.float64]
Levels = Mapping[str, Sequence[object]]  # of each factor, its reference first


def factorial(runs: pd.DataFrame, factors: Sequence[str], level: float = LEVEL) -> pd.DataFrame:
    """Return the main effects of `factors` and the interactions of any two.

    `runs` has a row per training: seed, value, and a column for each factor. A main effect is the mean over the
    grid with a level minus that with the factor's first level; an interaction is by how much one main effect
    differs between two levels of another factor. Columns: factors ("a", or "a × b"), levels ("add − concat"),
    estimate, low, high, p, p_holm (over all rows) and method.

    The model has the factors, their interactions in pairs, and the seed as a random group (Laird and Ware 1982;
    statsmodels' MixedLM); where that does not converge, the seed is a block of least squares. Interactions are
    left out where arms are missing that would tell them apart. `method` says each. Intervals are Student's with
    the degrees of freedom that are left within seeds: statsmodels' own are normal, too narrow for few seeds. There
    is no row where the arms cannot tell the main effects apart, or nothing is left to estimate the error from.
    """
    levels = {factor: list(dict.fromkeys(runs[factor])) for factor in factors}
    seeds = pd.factorize(runs["seed"])[0]
    places = np.array([list(map(levels[factor].index, runs[factor])) for factor in factors], dtype=int).T
    for pairs in (True, False):
        design = _design(places, levels, pairs) if len(places) and factors else np.zeros((0, 1))
        freedom = len(design) - design.shape[1] - int(seeds.max(initial=0))
        if design.shape[1] > 1 and freedom > 0 and np.linalg.matrix_rank(design) == design.shape[1]:
            break
    else:
        return pd.DataFrame(columns=COLUMNS)
    effects, covariance, method = _fitted(runs["value"].to_numpy(float), design, seeds)
    grid = np.array(list(product(*(range(len(names)) for names in levels.values()))))
    rows = []
    for (names, what), weights in _contrasts(grid, levels, pairs).items():
        contrast = weights @ _design(grid, levels, pairs)
        estimate, error = float(contrast @ effects), math.sqrt(max(0.0, float(contrast @ covariance @ contrast)))
        reach = float(stats.t.ppf(0.5 + level / 2, freedom)) * error
        p = float(2 * stats.t.sf(abs(estimate) / error, freedom)) if error else float(estimate == 0)
        rows.append([names, what, estimate, estimate - reach, estimate + reach, p])
    table = pd.DataFrame(rows, columns=[name for name in COLUMNS if name not in ("p_holm", "method")])
    alone = "" if pairs or len(factors) < 2 else "; no interactions, for want of arms or seeds"
    return table.assign(p_holm=holm(table["p"]), method=method + alone)[COLUMNS]


def _design(places: NDArray[np.int_], levels: Levels, pairs: bool) -> Numbers:
    """Return the columns (n, k) of arms whose levels are `places` (n, F): 1, each factor, each two; sum-to-zero."""
    sizes = [len(names) for names in levels.values()]
    codes = [np.vstack([np.eye(size - 1), -np.ones(size - 1)])[places[:, i]] for i, size in enumerate(sizes)]
    both = [(one[:, :, None] * two[:, None]).reshape(len(places), -1) for one, two in combinations(codes, 2)]
    return np.hstack([np.ones((len(places), 1)), *codes, *(both if pairs else ())])


def _contrasts(grid: NDArray[np.int_], levels: Levels, pairs: bool) -> dict[tuple[str, str], Numbers]:
    """Return, by factors and levels, the weight of each arm of the whole grid (A, F) in an effect, (A,)."""
    mains: dict[str, dict[str, Numbers]] = {}
    for column, (factor, names) in enumerate(levels.items()):
        share = [(grid[:, column] == place) / (grid[:, column] == place).sum() for place in range(len(names))]
        others = zip(names[1:], share[1:], strict=True)
        mains[factor] = {f"{name} − {names[0]}": each - share[0] for name, each in others}
    found = {(factor, what): weights for factor, each in mains.items() for what, weights in each.items()}
    for (one, ones), (two, twos) in combinations(mains.items(), 2) if pairs else ():
        for (first, a), (second, b) in product(ones.items(), twos.items()):
            found[f"{one} × {two}", f"({first}) × ({second})"] = a * b * len(grid)
    return found


def _fitted(values: Numbers, design: Numbers, seeds: NDArray[np.int_]) -> tuple[Numbers, Numbers, str]:
    """Return the coefficients (k,), their covariance (k, k), and how they were found."""
    import statsmodels.api as models  # late: it takes seconds to import

    scale = float(values.std()) or 1.0  # the optimizer's tolerances are made for numbers near 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say is asked of the result
        try:
            fit = models.MixedLM(values / scale, design, groups=seeds).fit(reml=True)
            covariance = np.asarray(fit.cov_params())[: design.shape[1], : design.shape[1]]
            if fit.converged and np.isfinite(covariance).all():
                return np.asarray(fit.fe_params) * scale, covariance * scale**2, MIXED
        except (np.linalg.LinAlgError, ValueError):
            pass  # a singular fit, as of runs that are equal
        blocks = np.eye(seeds.max() + 1)[seeds][:, 1:]
        centred = blocks - blocks.mean(0)  # so that the coefficients are those of the mean over seeds
        plain = models.OLS(values, np.hstack([design, centred])).fit()
    k = design.shape[1]
    return np.asarray(plain.params)[:k], np.asarray(plain.cov_params())[:k, :k], BLOCKED
