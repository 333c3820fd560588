"""Letters of every script: of fonts that have them where the machine has such, else a number in their place."""

import re
from collections.abc import Iterable
from functools import cache
from unicodedata import bidirectional
from weakref import WeakKeyDictionary

import matplotlib
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator

from skipbench.display import isolated

LEFT = "\N{LEFT-TO-RIGHT MARK}"  # before a name that begins with Hebrew: its parts stay in the order of others
SHAPES = matplotlib.__version_info__ >= (3, 11)  # joins Arabic letters, and writes from right to left
FAMILIES = (  # of Linux, macOS and Windows, that have what DejaVu lacks
    *(
        "Noto Sans CJK SC",
        "Noto Sans CJK JP",
        "Noto Sans CJK KR",
        "Noto Sans CJK TC",
        "Noto Sans SC",
        "Noto Sans JP",
    ),
    *("Source Han Sans SC", "Source Han Sans", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("PingFang SC", "Hiragino Sans GB", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Microsoft YaHei", "SimHei", "Yu Gothic", "MS Gothic", "Malgun Gothic", "Segoe UI", "Segoe UI Symbol"),
    *("Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Symbols2"),
)
_NUMBERS: WeakKeyDictionary[Figure, dict[str, str]] = WeakKeyDictionary()


def families() -> list[str]:
    """Return the fonts of FAMILIES that this machine has."""
    present = set(fontManager.get_font_names())
    return [family for family in FAMILIES if family in present]


def unwritten(figures: Iterable[Figure]) -> list[str]:
    """Return a sentence on the numbers that stand for words in some figures, if there are such."""
    words = {number: word for figure in figures for word, number in _NUMBERS.get(figure, {}).items()}
    if not words:
        return []
    told = ", ".join(f"{number} stands for {word}" for number, word in sorted(words.items(), key=_number))
    return [f"In pictures {told}: no font on this machine has these letters, as Noto Sans CJK may."]


def _number(word: tuple[str, str]) -> int:
    return int(word[0][1:])


def number_words(figure: Figure, names: Iterable[str]) -> None:
    """Put a number in the place of every word that no font can write; the words of `names` have the first ones."""
    numbers = {word: f"#{number}" for number, word in enumerate(dict.fromkeys(_words(" ".join(names))), 1)}

    def written(text: str) -> str:
        for word in _words(text):
            shown.setdefault(word, numbers.setdefault(word, f"#{len(numbers) + 1}"))
            text = text.replace(word, numbers[word], 1)
        return "\n".join(LEFT + line if isolated(line) != line else line for line in text.split("\n"))

    shown = dict[str, str]()
    for axis in (axis for axes in figure.findobj(Axes) for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_locator(), FixedLocator):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            if (told := list(map(written, labels))) != labels:
                axis.set_ticklabels(told)
    for text in figure.findobj(Text):
        text.set_text(written(text.get_text()))
    _NUMBERS[figure] = shown


def _words(text: str) -> list[str]:
    """Return the longest runs of letters that no font can write."""
    if text.isascii():
        return []
    pattern = "".join(letter if _is_writable(letter) else "\0" for letter in text)
    return [text[slice(*run.span())] for run in re.finditer("\0+", pattern)]


def _is_writable(letter: str) -> bool:
    if not SHAPES and bidirectional(letter) in ("R", "AL"):
        return False
    return not letter.isprintable() or any(ord(letter) in _letters(family) for family in rcParams["font.family"])


@cache
def _letters(family: str) -> frozenset[int]:
    try:
        file = findfont(FontProperties(family=[family]), fallback_to_default=False)
    except ValueError:
        return frozenset()
    return frozenset(get_font(file).get_charmap())
