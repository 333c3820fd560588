"""What is annotated in each split: how many of each name, and where there is nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator

from skipbench.bench.data.base import SPLITS
from skipbench.bench.data.files.entries import Splits
from skipbench.bench.data.files.preflight import Examined, Facts, seen_of

Tallies = dict[str, dict[str, Counter[str]]]  # what is counted -> class or joint -> split -> how many


def facts_of(splits: Splits, checked: Examined) -> dict[str, list[Facts]]:
    """Return what was found out about the entries of each split."""
    facts = {id(entry_facts.entry): entry_facts for entry_facts in checked.facts}
    return {split: [facts[id(entry)] for entry in entries] for split, entries in splits.items()}


def bare_splits(folds: list[Splits], checked: Examined) -> dict[str, tuple[str, ...]]:
    """Return for each annotation, by its plural, the splits in which no image has some, where there are any.

    Of a cross-validation, those of any of its folds.
    """
    every = [facts_of(splits, checked) for splits in folds]
    bare = {
        annotation.plural: tuple(
            split
            for split in SPLITS
            if not all(any(map(annotation.shows, seen_of(annotation, facts[split]))) for facts in every)
        )
        for annotation in checked.annotations
    }
    return {kind: empty for kind, empty in bare.items() if empty}


def bare_note(kind: str, empty: tuple[str, ...]) -> str:
    """Return that an annotation, by its plural, is in none of the images of some splits."""
    named = " and ".join(f"'{split}'" for split in empty)
    return f"No image of {named} has {kind}: tasks that need {kind} are refused."


def unlearnt_notes(folds: list[Splits], checked: Examined) -> Iterator[str]:
    """Yield which names of an annotation test images show, and no training image, where there are some."""
    tallies = [tally(splits, checked) for splits in folds]
    for annotation in checked.annotations:
        times = Counter(
            name
            for of_fold in tallies
            for name, counts in of_fold.get(annotation.tallied, {}).items()
            if name in annotation.names and counts["test"] and not counts["train"]
        )
        if times:
            by_fold = len(folds) > 1
            told = (
                f"{name} (in {count} of {len(folds)} folds)" if by_fold else name for name, count in times.items()
            )
            yield (
                f"Among {annotation.names_are} that test images show and no training image does: "
                f"{', '.join(told)}; they are scored, but not learnt."
            )


def case_notes(names: Iterable[str]) -> Iterator[str]:
    """Yield that names are equal, or differ only in case, where some do."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.casefold(), []).append(name)
    for several in filter(lambda several: len(several) > 1, alike.values()):
        if len({*several}) > 1:
            yield f"{' and '.join(dict.fromkeys(several))} differ only in case, and are read as different."
        else:
            yield f"{len(several)} are called {several[0]}, and are read as different."


def tally(splits: Splits, checked: Examined) -> Tallies:
    """Return how many boxes of each class, annotated joints of each name and masks with each class there are."""
    tallies: Tallies = {}
    for split, facts in facts_of(splits, checked).items():
        for annotation in checked.annotations:
            for name, count in annotation.tally(seen_of(annotation, facts)).items():
                tallies.setdefault(annotation.tallied, {}).setdefault(name, Counter())[split] = count
    return tallies
