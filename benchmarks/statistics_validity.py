"""Whether the statistics keep what they say: coverage, false alarms, power, in simulated differences of known mean.

    python benchmarks/statistics_validity.py [--repeats 2000]

Differences between two arms at paired seeds are drawn with standard deviation 1 and known mean: normal, skewed
(gamma of skewness 1, log-normal of skewness 6), heavy-tailed (Student's t with 3 degrees of freedom) and with ties
(normal, rounded to whole ones). The functions are those of the product. It writes statistics_validity.md; shares
outside of 93 to 97 % are set in bold.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from skipbench.analysis.statistics import (
    MIN_PAIRS,
    bca,
    equal_p,
    paired_improvement,
    paired_t_p,
    permutation_p,
    seeds_needed,
    summarize,
    unpaired_improvement,
    wilcoxon_p,
)
from skipbench.analysis.statistics.factorial import factorial
from skipbench.analysis.statistics.resampling import over_both, over_images, weights_of
from skipbench.analysis.statistics.variance import deviation

Numbers = np.ndarray[Any, np.dtype[np.float64]]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Numbers]
SIZES, FAMILY, LOG_SD = (3, 5, 6, 10, 30), 5, 1.0


def skewed(random: np.random.Generator, shape: tuple[int, ...]) -> Numbers:
    """Return log-normal numbers, skewness 6, with mean 0 and standard deviation 1."""
    values = random.lognormal(0, LOG_SD, shape)
    mean, variance = np.exp(LOG_SD**2 / 2), (np.exp(LOG_SD**2) - 1) * np.exp(LOG_SD**2)
    return (values - mean) / np.sqrt(variance)


SHAPES: dict[str, Draw] = {
    "normal": lambda random, shape: random.normal(size=shape),
    "a little skewed": lambda random, shape: random.gamma(4, 1 / 2, shape) - 2,
    "skewed": skewed,
    "heavy tails": lambda random, shape: random.standard_t(3, shape) / np.sqrt(3),
    "ties": lambda random, shape: np.round(random.normal(size=shape)) / np.sqrt(1 + 1 / 12),
}


def share(held: Numbers | list[bool], band: bool = True) -> str:
    """Return a share in percent with its Wilson interval, bold where a coverage is outside of 93 to 97 %."""
    count, total = int(np.sum(held)), len(held)
    low, high = proportion_confint(count, total, method="wilson")
    text = f"{count / total:.1%} ({low:.1%} to {high:.1%})".replace("%", " %")
    return f"**{text}**" if band and not 0.93 <= count / total <= 0.97 else text


def coverage(repeats: int) -> Iterator[dict[str, Any]]:
    """Yield how often intervals hold the true mean 0: Student's t, BCa, and for contrast percentiles."""
    for shape, draw in SHAPES.items():
        for n in SIZES:
            values = draw(np.random.default_rng([n, 1]), (repeats, n))
            t = [one.low <= 0 <= one.high for one in map(summarize, values.tolist())]
            few = values[: repeats // 2]
            accelerated = [low <= 0 <= high for low, high in map(bca, few)]
            means = values[:, np.random.default_rng(0).integers(n, size=(999, n))].mean(-1)
            low, high = np.percentile(means, [2.5, 97.5], axis=1)
            row = {"differences": shape, "n": n, "t": share(t), "BCa": share(accelerated)}
            yield row | {"percentile bootstrap": share((low <= 0) & (high >= 0))}


def false_alarms(repeats: int) -> Iterator[dict[str, Any]]:
    """Yield how often no difference is called one, and one as large as the margin is called equal."""
    for shape, draw in SHAPES.items():
        for n in (size for size in SIZES if size >= MIN_PAIRS):
            random = np.random.default_rng([n, 2])
            values = draw(random, (repeats, n))
            families = draw(random, (repeats, FAMILY + 1, n))
            smallest = paired_t_p(families[:, 1:] - families[:, :1]).min(1)  # Holm asks it for alpha / FAMILY
            # the margin is the true mean, one standard deviation: each "equal" is an error
            equal = equal_p(values + 1, 1.0) < 0.05
            yield {
                "differences": shape,
                "n": n,
                "t": share(paired_t_p(values) < 0.05, band=False),
                "permutation": share(permutation_p(values) < 0.05, band=False),
                "Wilcoxon": share(wilcoxon_p(values) < 0.05, band=False),
                f"any of {FAMILY}, Holm": share(smallest < 0.05 / FAMILY, band=False),
                "equal at the margin (TOST)": share(equal, band=False),
            }


def power(repeats: int) -> Iterator[dict[str, Any]]:
    """Yield how often an effect is found with the seeds that are said to be needed for 80 %."""
    for family in (1, FAMILY):
        for effect in (0.5, 0.8, 1.2, 2.0):
            n = int(seeds_needed(effect, 1.0, family))
            row = {"effect (standard deviations)": effect, "tests": family, "seeds needed": n}
            for shape, draw in SHAPES.items():
                values = effect - draw(np.random.default_rng([n, 3]), (repeats, n))  # the skew's harder side
                # the others of the family are not there: Holm's first step asks the smallest p for alpha / family
                row[shape] = share(paired_t_p(values) < 0.05 / family, band=False)
            yield row


def improvement(repeats: int) -> Iterator[dict[str, Any]]:
    """Yield how often the interval of the probability of improvement holds the true one, of normal scores."""
    for effect in (0.0, 0.8):
        for n in SIZES:
            random = np.random.default_rng([n, 4])
            a, b = random.normal(effect, 1, (repeats, n)), random.normal(0, 1, (repeats, n))
            true = stats.norm.cdf(effect / np.sqrt(2))
            paired = [one.low <= true <= one.high for one in map(paired_improvement, a - b)]
            free = [one.low <= true <= one.high for one in map(unpaired_improvement, a, b)]
            yield {"true": f"{true:.2f}", "n": n, "paired": share(paired), "unpaired": share(free)}


def units(repeats: int) -> Iterator[dict[str, Any]]:
    """Yield how often intervals over images, and over seeds and images, hold the mean of all of them.

    Scores are means over images of seed + image + their interaction, of standard deviations 1, the given one, and
    2.
    """
    for seeds in (3, 6, 12):
        for images in (30, 200):
            for spread in (0.5, 5.0):
                random = np.random.default_rng([seeds, images])
                held = [one_study(random, seeds, images, spread) for _ in range(repeats // 4)]
                row = {"seeds": seeds, "images": images, "sd of images": spread}
                yield row | {name: share([each[name] for each in held]) for name in held[0]}


def one_study(random: np.random.Generator, seeds: int, images: int, spread: float) -> dict[str, bool]:
    """Return which intervals hold the truth: of an arm over images, over both, and over both by percentiles."""
    of_seed, of_image = random.normal(0, 1, (seeds, 1)), random.normal(0, spread, (1, images))
    scores = of_seed + of_image + random.normal(0, 2, (seeds, images))
    both = over_both(lambda weights: weights @ scores.T / images, images)
    over = over_images(lambda weights: weights @ scores.mean(0) / images, images)
    drawn = weights_of(random.integers(images, size=(999, images)), images) @ scores.T / images
    chosen = np.take_along_axis(drawn, random.integers(seeds, size=(999, seeds)), 1).mean(1)
    low, high = np.percentile(chosen, [2.5, 97.5])
    return {
        "images (these networks)": over.low <= of_seed.mean() <= over.high,
        "both": both.low <= 0 <= both.high,
        "both, by percentiles": low <= 0 <= high,
    }


def deviations(repeats: int) -> Iterator[dict[str, Any]]:
    """Yield how often the interval of the standard deviation holds the true one, 1."""
    for shape, draw in SHAPES.items():
        values = {n: draw(np.random.default_rng([n, 6]), (repeats, n)) for n in SIZES}
        held = {n: [one.low <= 1 <= one.high for one in map(deviation, each)] for n, each in values.items()}
        yield {"scores": shape} | {f"n = {n}": share(each) for n, each in held.items()}


def grids(repeats: int) -> Iterator[dict[str, Any]]:
    """Yield how often the effects in a grid of 2 x 3 arms without any are held, and how often one is found."""
    arms = pd.DataFrame([{"fusion": a, "depth": b} for a in "ab" for b in "xyz"])
    for seeds in (3, 6, 12):
        random, found = np.random.default_rng(seeds), []
        for _ in range(repeats // 10):
            of_seed = pd.DataFrame({"seed": range(seeds), "of_seed": random.normal(size=seeds)})
            runs = arms.merge(of_seed, how="cross")
            runs["value"] = 0.7 + 0.02 * (runs["of_seed"] + random.normal(size=len(runs)))
            found.append(factorial(runs, ["fusion", "depth"]))
        rows = pd.concat(found)
        yield {
            "seeds": seeds,
            "interval holds 0": share(list((rows.low <= 0) & (rows.high >= 0))),
            "any of 5 effects, Holm": share([bool((table.p_holm < 0.05).any()) for table in found], band=False),
            "by the mixed model": share(list(rows.method.str.startswith("mixed")), band=False),
        }


SECTIONS = {
    "Coverage of 95 % intervals of a mean difference": coverage,
    "False alarms: no difference called one, or one as large as the margin called equal": false_alarms,
    "Power with the seeds that are said to be needed for 80 %": power,
    "Coverage of the probability of improvement": improvement,
    "Coverage for other images, and for other seeds and images": units,
    "Coverage of the standard deviation": deviations,
    "Main effects and interactions over a grid": grids,
}


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Write the tables beside this file, each as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2000, help="simulated studies per row, fewer where slow")
    repeats = parser.parse_args().repeats
    what = " ".join((__doc__ or "").split("\n\n")[2].split())
    text = f"# Do the statistics keep what they say?\n\n{what} {repeats:,} repeats per row, fewer where slow.\n"
    for title, simulate in SECTIONS.items():
        description = " ".join((simulate.__doc__ or "").split()).replace("Yield how", "How")
        text += f"\n## {title}\n\n{description}\n\n{markdown(list(simulate(repeats)))}\n"
        Path(__file__).with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
