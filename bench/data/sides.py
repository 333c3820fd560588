"""Left and right in names: which names swap when an image is mirrored."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_WORDS = (("left", "right"), ("lft", "rgt"))
_OTHER = {side: other for pair in (*_WORDS, ("l", "r")) for side, other in (pair, pair[::-1])}
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")  # "LHip" is L, Hip
_OF_ONE_SIDE = re.compile(  # a token that speaks of a side: whole or joined words, L, Lt, FL, LH, RR ...
    r"(left|lft|right|rgt)\w*|\w*left|(?!bright|upright)\w*right|[lr]t?|[fhbrm][lr]|[lr][fhbrm]", re.IGNORECASE
)


@dataclass(frozen=True)
class Sides:
    """How the names of one kind of annotation swap when an image is mirrored."""

    names: tuple[str, ...]
    partners: tuple[int, ...]  # for each name the index of the one that takes its place, often its own
    unpaired: tuple[str, ...]  # seem to belong to one side and have no counterpart: a mirror would mislabel them

    @property
    def exchanged(self) -> list[tuple[int, int]]:
        """The index of each name that changes its place, and that of the place."""
        return [(index, partner) for index, partner in enumerate(self.partners) if index != partner]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The names that are exchanged, each pair once."""
        return [(self.names[index], self.names[partner]) for index, partner in self.exchanged if index < partner]

    def notes(self, what: str) -> Iterator[str]:
        """Yield what was decided about `what` ("joints"), with the option that changes it."""
        if self.pairs and not self.unpaired:
            pairs = ", ".join(f"{name} with {partner}" for name, partner in self.pairs)
            yield f"Flips swap {pairs}; data.mirror=[[NAME, NAME]] pairs other {what}."
        if self.unpaired:
            first = self.unpaired[0]
            yield (
                f"Images are never flipped when {what} are learnt: by their names, {', '.join(self.unpaired)} "
                "belong to one side, but their counterparts are missing. Name them with "
                f"data.mirror=[[{first}, NAME]], or [[{first}, {first}]] for a name without a counterpart."
            )


def pair_sides(names: Sequence[str], given: Iterable[tuple[str, str]] = (), letters: bool = True) -> Sides:
    """Return which of `names` a mirror exchanges: the pairs `given`, then those whose names tell.

    Two names are a pair where exchanging one "left" for "right" makes the one of the other; with `letters` also
    one l for r: L_Hip and R_Hip, lhip and rhip, eyeL and eyeR, paw_FL and paw_FR.
    """
    known = {name: partner for pair in given for name, partner in (pair, pair[::-1])}
    partners, unpaired = [], []
    for name in names:
        mirrored = {known[name]} if name in known else {*_mirrored(name, letters)} & {*names} - {name} - {*known}
        partner = mirrored.pop() if len(mirrored) == 1 else name
        partners.append(names.index(partner))
        if name not in known and partner == name and _of_one_side(name, letters):
            unpaired.append(name)
    return Sides(tuple(names), tuple(partners), tuple(unpaired))


def _mirrored(name: str, letters: bool) -> Iterator[str]:
    """Yield the name with one of its words (or letters) of a side exchanged for the other side's, each in turn."""
    for marker, other in _OTHER.items():
        if letters or len(marker) > 1:
            for place in re.finditer(marker, name, re.IGNORECASE):
                yield name[: place.start()] + _like(place[0], other) + name[place.end() :]


def _like(word: str, other: str) -> str:
    """Return `other` in the case of `word`."""
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other


def _of_one_side(name: str, letters: bool) -> bool:
    tokens = [token for token in _TOKEN.findall(name) if letters or len(token) > 2]
    return any(_OF_ONE_SIDE.fullmatch(token) for token in tokens)
