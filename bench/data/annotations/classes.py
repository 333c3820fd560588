"""Which number or colour of a dataset's masks is which class: what is given, and what only all masks tell."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from skipbench.bench.data.pictures.masks import MAX_COLOURS, Colour, code, colour_of

CLASSES_FILE = "classes.txt"
IGNORED_NAMES = {"ignore", "ignored", "unlabeled", "unlabelled", "void"}  # classes of these names are ignored
_FULL = (255, 65535)  # the largest numbers of 8 and 16 bits, by which a level is known
_MANY = 8  # numbers, from which on they may be those of single objects
_FIRST_LEVEL = 30  # a smaller number but 0 is the place of a class in a list, not a level of grey


@dataclass(frozen=True)
class MaskFacts:
    """What the check finds out about a mask's file."""

    values: tuple[int, ...] | None  # the numbers that occur, ascending; None where there are only colours
    colours: tuple[int, ...]  # as `code` has them
    palette: tuple[
        tuple[int, int], ...
    ] = ()  # the numbers that occur with their colours, where the file says these
    smoothed: str = ""  # how one sees that the mask was smoothed, in words
    see_through: bool = False  # whether its alpha says so somewhere


@dataclass(frozen=True)
class Classes:
    """What the masks of a dataset hold."""

    names: tuple[str, ...] = ()
    values: tuple[int, ...] = ()  # what they hold for each class
    ignored: frozenset[int] = frozenset()  # what they hold where pixels are ignored
    coded: bool = False  # whether these are colours
    notes: tuple[str, ...] = ()
    failure: str = ""  # why there are no classes
    smoothed: bool = False  # whether they are of masks that were smoothed, all of them


@dataclass(frozen=True)
class Rule:
    """What is known of a dataset's classes before its masks are read."""

    names: tuple[str, ...] = ()
    values: tuple[int, ...] | None = None  # of the names; None: their places in the list
    colours: tuple[Colour, ...] | None = None  # of the names
    void: Colour | None = None  # the colour of pixels that are ignored
    ignored: int | None = 255  # the number of pixels that are ignored
    insists: bool = False  # whether the user said so
    source: str = "data.classes"  # where the names stand
    notes: tuple[str, ...] = field(default=())

    def settle(self, facts: Sequence[MaskFacts]) -> Classes:
        """Return the classes of masks of which these are the facts."""
        coloured = are_coloured(facts)
        if self.colours is not None and (classes := self._by_colour(facts, coloured)):
            return classes
        if coloured:
            return self._by_own_colours(facts)
        present = {value for each in facts for value in each.values or ()}
        notes = (*self.notes, *palette_notes(facts), *self._mixed(facts), *self._without_0(present))
        if self.names:
            return self._by_name(present, notes)
        return self._by_value(present, (*notes, *numbering_notes(facts)))

    def _without_0(self, present: set[int]) -> Iterator[str]:
        """Yield that no mask holds the first place in the list, as if numbers counted from 1."""
        places = present - {self.ignored}
        if self.names and self.values is None and places and 0 not in places and max(places) <= len(self.names):
            names = ", ".join(f"{number}: {name}" for number, name in enumerate(self.names, 1))
            yield (
                f"No mask holds 0, which is '{self.names[0]}'; where numbers count from 1, "
                f"data.classes={{{names}}} says so."
            )

    def _mixed(self, facts: Sequence[MaskFacts]) -> Iterator[str]:
        """Yield that files of two classes write them in two ways, of which one would be ignored."""
        held = [{*(each.values or ())} - {0} for each in facts]
        present = set().union(*held)
        if len(present) == 2 and self.ignored in present and not self.insists and present not in held:
            counts = {value: sum(value in each for each in held) for value in sorted(present)}
            words = " and ".join(f"{count:,} hold {value}" for value, count in counts.items())
            yield (
                f"Of the masks, {words} beside 0, and none both, as if they were written in two ways; "
                f"{self.ignored} is ignored: write one class as one number in all files."
            )

    def _by_colour(self, facts: Sequence[MaskFacts], coloured: bool) -> Classes | None:
        """Return the classes by the colours that are given; None where masks hold places in the list instead."""
        codes = tuple(map(code, self.colours or ()))
        present = {each for one in facts for each in one.colours}
        void = {code(self.void)} if self.void else set()
        if not coloured and not present <= {*codes, *void}:
            return None
        named = dict(zip(codes, self.names, strict=True))
        skipped = {each: name for each, name in named.items() if name.lower() in IGNORED_NAMES}
        kept = {each: name for each, name in named.items() if each not in skipped}
        notes = [f"'{name}' is ignored." for each, name in skipped.items() if each in present]
        ignored = frozenset({*skipped, *void})
        return Classes(tuple(kept.values()), tuple(kept), ignored, True, (*self.notes, *notes))

    def _by_own_colours(self, facts: Sequence[MaskFacts]) -> Classes:
        """Return a class for each colour that occurs."""
        present = sorted({each for one in facts for each in one.colours})
        if self.names:
            return Classes(
                failure=f"are colours, but {self.source} names classes without their colours; give them with "
                "data.colors={road: [128, 64, 128], ...}"
            )
        if len(present) > MAX_COLOURS:
            return Classes(
                failure=f"hold {len(present):,} colours, more than the {MAX_COLOURS} that could be classes, as "
                "smoothed or compressed masks do; save them as PNG without smoothing, or name the classes' colours "
                "with data.colors={road: [128, 64, 128], ...}"
            )
        names = tuple("#{:02x}{:02x}{:02x}".format(*colour_of(each)) for each in present)
        note = (
            f"The masks are colours, and each of the {len(present)} that occur is a class, called by its colour; "
            "data.colors={road: [128, 64, 128], ...} names them."
        )
        return Classes(names, tuple(present), frozenset(), True, (*self.notes, note))

    def _by_name(self, present: set[int], notes: tuple[str, ...]) -> Classes:
        values = self.values or tuple(range(len(self.names)))
        levels = self._levels(present)
        if levels and self._misses(levels):
            return Classes(failure=self._missed(levels))
        if self.values is None and len(levels) == len(self.names):
            values = levels
            shown = ", ".join(f"{value} is {name}" for value, name in zip(levels, self.names, strict=True))
            notes = (*notes, f"The masks hold levels, which are the classes in their order: {shown}.")
        void = {
            value: name for value, name in zip(values, self.names, strict=True) if name.lower() in IGNORED_NAMES
        }
        given = {self.ignored} - {None} if self.insists or self.ignored not in values else set()
        ignored = frozenset({*void, *(value for value in given if value is not None)})
        kept = [(name, value) for value, name in zip(values, self.names, strict=True) if value not in ignored]
        notes = (*notes, *(f"'{name}' (mask value {value}) is ignored." for value, name in void.items()))
        return Classes(tuple(n for n, _ in kept), tuple(v for _, v in kept), ignored, False, notes)

    def _misses(self, levels: tuple[int, ...]) -> bool:
        """Return whether the names given cannot be those of the levels that occur."""
        if self.values is None:
            places = {*levels[:-1]} - {0}  # in the list, if the last number is that of ignored pixels
            return len(levels) != len(self.names) and not (places and max(places) < len(self.names))
        return not set(levels) <= {*self.values} and not {*self.values} - {0} & {*levels}

    def _missed(self, levels: tuple[int, ...]) -> str:
        named = f"names the values {_listed(self.values)}" if self.values else f"names {len(self.names)} classes"
        names = (*self.names, *(f"name{number}" for number in range(len(self.names), len(levels))))
        example = ", ".join(f"{level}: {name}" for level, name in zip(levels, names, strict=False))
        return f"hold the levels {_listed(levels)}, but {self.source} {named}; give data.classes={{{example}}}"

    def _by_value(self, present: set[int], notes: tuple[str, ...]) -> Classes:
        levels = self._levels(present)
        ignored = frozenset() if levels or self.ignored is None else frozenset({self.ignored})
        values = tuple(sorted(present - ignored))
        names = tuple(f"class {value}" for value in values)
        if not values:
            return Classes(ignored=ignored)
        note = self._levels_note(levels) if levels else self._values_note(values, sorted(present & ignored))
        return Classes(names, values, ignored, False, (*notes, note))

    def _levels(self, present: set[int]) -> tuple[int, ...]:
        """Return the numbers where they are levels of grey up to white, () where they are places in a list."""
        if self.insists or len(present) < 2 or max(present) not in _FULL or min(present - {0}) < _FIRST_LEVEL:
            return ()
        return tuple(sorted(present))

    def _levels_note(self, levels: tuple[int, ...]) -> str:
        shown = ", ".join(map(str, levels))
        example = ", ".join(f"{value}: name" for value in levels[:2])
        return (
            f"The masks hold the levels {shown}, and each is a class; data.ignore_index={levels[-1]} ignores one, "
            f"and data.classes={{{example}}} names them."
        )

    def _values_note(self, values: tuple[int, ...], ignored: list[int]) -> str:
        unlabelled = (
            f"value {ignored[0]} is ignored"
            if ignored
            else "if one of them means unlabelled, set data.ignore_index to it"
        )
        return (
            f"The masks contain {len(values)} values, {values[0]} to {values[-1]}, and each is a class; "
            f"{unlabelled}. To name them, put {CLASSES_FILE} into the folder, one name per line, or set "
            "data.classes."
        )


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def are_coloured(facts: Sequence[MaskFacts]) -> bool:
    """Return whether most masks are colours, of those that tell: black alone is a number or a colour."""
    telling = [each.values is None for each in facts if each.values is None or any(each.values)]
    return 2 * sum(telling) > len(telling)


def numbering_notes(facts: Sequence[MaskFacts]) -> Iterator[str]:
    """Yield that numbers seem to be those of objects: most are in one mask only, or in ever fewer ones."""
    counts = Counter(value for each in facts for value in each.values or () if value)
    masks = [counts[value] for value in sorted(counts)]
    once = 2 * masks.count(1) > len(masks)
    ever_fewer = masks == sorted(masks, reverse=True) and len({*masks}) > 1
    if len(facts) > 1 and len(masks) >= _MANY and (once or ever_fewer):
        yield (
            "The numbers in masks look like those of single objects, not of classes: each number would be a class. "
            "Where they are, write one number for all objects of a class."
        )


def palette_notes(facts: Sequence[MaskFacts]) -> Iterator[str]:
    """Yield that files have different colours for one number, where they do."""
    colours: dict[int, set[int]] = {}
    for value, colour in (pair for each in facts for pair in each.palette):
        colours.setdefault(value, set()).add(colour)
    different = sorted(value for value, several in colours.items() if len(several) > 1)
    if different:
        shown = " and ".join(str(colour_of(each)) for each in sorted(colours[different[0]])[:2])
        yield (
            f"The palettes of masks differ: number {different[0]} is {shown}. Numbers are classes, the same in all "
            "files; where colours are, name them with data.colors={road: [128, 64, 128], ...}."
        )
