"""Damage at random: to a structure, to a text, to bytes."""

import json
import random
from typing import Any

DEEP: list[Any] = []
for _ in range(200):
    DEEP = [DEEP]
VALUES = (
    *(None, True, 0, -1, 1, 7, 10**6, 10**30, 0.5, -0.5, 1e308, float("nan"), float("inf")),
    *(
        "",
        "=",
        "[/]",
        "name",
        "../../x",
        "/dev/zero",
        "x" * 300,
        "2020-13-45",
        "\u202e",
        "a\nb",
        "\x1b[31m",
        "\x00",
    ),
    *([], [[]], {}, {"a": 1}, [1, "a", None], DEEP),
)
TOKENS = (
    *(
        "!!int foo",
        "2020-13-45",
        "=",
        "\\U00110000",
        "&a [*a]",
        "*a",
        "<<: *a",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        '"',
    ),
    *("!!python/object:os.system", "1" * 5000, "\t", "\x00", "\ud800", "NaN", "Infinity", "1e999", "-", "[" * 500),
    *("&a [x,x,x,x,x,x,x,x,x]", "name: x", "!!timestamp x", "!!binary x", "!!set {x}", "%YAML 9.9", "...", "---"),
)


def damaged_value(value: Any, draw: random.Random) -> Any:
    """Return a copy of JSON-like `value` with one place of it changed, dropped, renamed or doubled."""
    if not isinstance(value, dict | list) or not value or draw.random() < 0.15:
        return draw.choice(VALUES)
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    place = draw.randrange(len(items))
    key, inner = items[place]
    how = draw.random()
    if how < 0.1:
        del items[place]
    elif how < 0.2:
        items.insert(place, (draw.choice(["name", "x", str(key)]), draw.choice([inner, *VALUES])))
    else:
        items[place] = (key, damaged_value(inner, draw))
    return dict(items) if isinstance(value, dict) else [each for _, each in items]


def damaged_text(text: str, draw: random.Random) -> str:
    """Return `text` with a few slices dropped, doubled, moved or replaced by what readers stumble over."""
    for _ in range(draw.choice((1, 1, 2, 4))):
        start = draw.randrange(len(text) + 1)
        end = min(len(text), start + draw.choice((0, 1, 3, 10, 40)))
        middle = draw.choice(("", draw.choice(TOKENS), text[start:end] * 2, draw.choice(text or "x")))
        text = text[:start] + middle + text[end:]
    return text


def damaged_bytes(content: bytes, draw: random.Random) -> bytes:
    """Return `content` cut, emptied, or with some bytes changed."""
    how = draw.random()
    if how < 0.2:
        return content[: draw.randrange(len(content) + 1)]
    changed = bytearray(content)
    for _ in range(draw.choice((1, 3, 30)) if content else 0):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def damaged_json(content: Any, draw: random.Random) -> str:
    """Return JSON that is damaged in its structure, in its text, or in both."""
    how = draw.random()
    text = json.dumps(damaged_value(content, draw) if how < 0.8 else content)
    return damaged_text(text, draw) if how > 0.7 else text
