"""What pydantic finds wrong, as one sentence: the place, what was given, what was expected."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from skipbench.bench.errors import SuiteError
from skipbench.display import one_line, quoted, shown
from skipbench.errors import unknown_name

BRANCH = re.compile(r"constrained-\w+|(int|float|str|bool|none|list|dict|tuple|literal|function)\b.*")  # of a union
Model = TypeVar("Model", bound=BaseModel)


class _Later:
    """Marks an option that came after results had been recorded without it."""


LATER = _Later()  # as in Annotated[float, LATER]

EXPECTED = {  # pydantic's error type -> what people call it; other types keep pydantic's own words
    "bool_parsing": "true or false",
    "dict_type": "a mapping (keys and values)",
    "float_parsing": "a number",
    "float_type": "a number",
    "frozen_set_type": "a list",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "list_type": "a list",
    "model_type": "a mapping (keys and values)",
    "string_pattern_mismatch": "text that matches {pattern}",
    "string_type": "text",
    "too_long": "at most {max_length} item(s)",
    "too_short": "at least {min_length} item(s)",
    "tuple_type": "a list",
}


def determining(options: BaseModel) -> dict[str, Any]:
    """Return what of the options determines a result, in the types of JSON.

    One that came LATER is left out at its default: what was recorded before there was a choice is found again.
    """
    given = options.model_dump(mode="json")
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        if LATER in field.metadata and value == field.get_default(call_default_factory=True):
            del given[name]
        elif isinstance(value, BaseModel):
            given[name] = determining(value)
    return given


def parse(model: type[Model], content: Any, place: str = "") -> Model:
    """Return `content` as an instance of `model`; `place` is where it is in the suite ("recipe").

    Raises SuiteError: one sentence on the first thing that is wrong, a misspelt key before all else.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        findings: list[dict[str, Any]] = [{**found, "loc": _within(content, found)} for found in error.errors()]
        findings.sort(key=lambda finding: finding["type"] != "extra_forbidden")
        first = findings[0]["loc"]
        branches = [finding for finding in findings if finding["loc"][: len(first)] == first]  # of a union
        deepest = max(branches, key=lambda finding: len(finding["loc"]))
        raise SuiteError(_sentence(model, deepest, place)) from None


def _within(content: Any, finding: ErrorDetails) -> tuple[int | str, ...]:
    """Return where a finding is in `content`; pydantic's own location has the names of a union's branches, too."""
    steps = []
    for step in finding["loc"]:
        held = range(len(content)) if isinstance(content, list | tuple) else content
        known = isinstance(held, range | Mapping) and step in held
        content = content[step] if known else None
        if known or not BRANCH.fullmatch(str(step)):
            steps.append(step)
    return tuple(steps)


def _sentence(model: type[BaseModel], finding: Mapping[str, Any], place: str) -> str:
    *outer, key = finding["loc"] or (place or "content",)
    inside = _path(place, outer) or "the suite"
    if finding["type"] == "extra_forbidden":
        return f"in {inside}: " + unknown_name("key", str(key), _keys(model, outer))
    if finding["type"] == "missing":
        return f"{inside} lacks {f'item {key + 1}' if isinstance(key, int) else f'the key {key!r}'}."
    whole = _path(place, finding["loc"]) or "the suite"
    if key == "[key]":  # pydantic's name for a key that is wrong itself
        whole = f"a key of {_path(place, finding['loc'][:-2])}"
    if finding["type"] == "value_error":
        return f"{whole}: {one_line(finding['msg'].removeprefix('Value error, '), 300)}"
    expected = finding["msg"].removeprefix("Input should be ")
    if finding["type"] in EXPECTED:
        expected = EXPECTED[finding["type"]].format(**finding.get("ctx", {}))
    if finding["type"] == "tuple_type":
        expected += _example(model, finding["loc"])
    return f"{whole} is {quoted(finding['input'])}, expected {expected}."


def _path(place: str, location: tuple[int | str, ...] | list[int | str]) -> str:
    """Return "arms[1].fusion" for ("arms", 1, "fusion")."""
    path = place
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def _keys(model: type[BaseModel], location: list[int | str]) -> list[str]:
    """Return the keys that are right where `location` points to inside `model`."""
    return [field.alias or name for name, field in _part(model, location).model_fields.items()]


def _example(model: type[BaseModel], location: Sequence[int | str]) -> str:
    """Return ", such as [96, 96]", the default of the list that `location` points to, if it has one."""
    *outer, key = location or ("",)
    field = _part(model, outer).model_fields.get(str(key))
    return (
        f", such as {shown(field.default)}" if field and isinstance(field.default, tuple) and field.default else ""
    )


def _part(model: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel]:
    """Return the model inside `model` that `location` points to, or the last on the way there."""
    for step in location:
        if isinstance(step, str) and step in model.model_fields:
            annotation = model.model_fields[step].annotation
            nested = [
                kind
                for kind in (annotation, *get_args(annotation))
                if isinstance(kind, type) and issubclass(kind, BaseModel)
            ]
            model = nested[0] if nested else model
    return model
