"""YAML from people: a duplicate key is an error, and what cannot be read is one sentence."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from skipbench.bench.errors import SuiteError
from skipbench.display import one_line, quoted

MAX_VALUES, MAX_LEVELS, MAX_CHARACTERS, MAX_NUMBER = 10_000, 30, 1_000_000, 2**63 - 1  # the largest whole number
_KINDS = ("null", "bool", "int", "float", "str", "seq", "map")  # and no dates, sets or bytes
_PLAIN = tuple(f"tag:yaml.org,2002:{kind}" for kind in (*_KINDS, "merge"))


class _Loader(yaml.SafeLoader):
    """Plain values only, whole numbers as keys as text; a duplicate key is an error, not silently the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        duplicates = [key for key, _ in node.value if keys.count(key.value) > 1]
        if duplicates:
            problem = f"duplicate key {quoted(duplicates[1].value)}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=duplicates[1].start_mark)
        content = super().construct_mapping(node, deep)
        return {str(key) if type(key) is int else key: value for key, value in content.items()}


def _unknown(loader: _Loader, node: yaml.Node) -> None:
    problem = f"the tag {quoted(node.tag)} is not supported; expected {', '.join(_KINDS)}"
    raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


_Loader.yaml_implicit_resolvers = {
    first: [resolver for resolver in resolvers if resolver[0] in _PLAIN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.yaml_constructors = {tag: yaml.SafeLoader.yaml_constructors.get(tag) for tag in _PLAIN[:-1]}
_Loader.add_constructor(None, _unknown)


def read_yaml(text: str, source: str) -> Any:
    """Return what `text` says: plain values of plain size; `source` names it in the sentence. Raises SuiteError."""
    try:
        if len(text) > MAX_CHARACTERS:
            raise ValueError(f"it is longer than {MAX_CHARACTERS:,} characters")
        content = yaml.load(text, _Loader)
        _require_plain(content)
        return content
    except Exception as error:  # the constructor of a tag raises whatever its text leads it to
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark and "\n" in text else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or error
        words = "it is nested too deeply" if isinstance(error, RecursionError) else one_line(str(problem), 300)
        raise SuiteError(f"{one_line(source, 300)} is not valid YAML{line}: {words}.") from None


def _require_plain(content: Any) -> None:
    """Raise ValueError for what no suite needs and others stumble over; an alias counts each time it is used."""
    waiting, seen = [(content, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if seen > MAX_VALUES or depth > MAX_LEVELS:
            raise ValueError(
                f"it contains more than {MAX_VALUES:,} values or {MAX_LEVELS} levels, with aliases expanded"
            )
        if isinstance(value, dict):
            unnamed = [key for key in value if not isinstance(key, str)]
            if unnamed:
                raise ValueError(f"the key {quoted(unnamed[0])} is not text; put it in quotes")
            waiting += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            waiting += [(item, depth + 1) for item in value]
        elif isinstance(value, str) and not value.replace("\n", "").replace("\t", "").isprintable():
            raise ValueError(f"{quoted(value)} contains characters that cannot be shown")
        elif isinstance(value, int | float) and not (math.isfinite(value) and abs(value) <= MAX_NUMBER):
            raise ValueError(f"{quoted(value)} is not a finite number, or is too large")


def assigned(assignments: Iterable[str], example: str) -> dict[str, Any]:
    """Return the values that `assignments` such as "recipe.images=512" set. Raises SuiteError."""
    content: dict[str, Any] = {}
    for assignment in assignments:
        assign(content, assignment, example)
    return content


def assign(content: dict[str, Any], assignment: str, example: str) -> None:
    """Set one value in place, such as "recipe.images=512"; the value is read as YAML. Raises SuiteError."""
    path, equals, text = assignment.partition("=")
    if not equals or not all(path.split(".")):
        raise SuiteError(f"{quoted(assignment)} is not an assignment; expected key=value, such as {example}.")
    value = read_yaml(text, f"the value of {quoted(assignment)}")
    put(content, path, value, assignment)


def put(content: dict[str, Any], path: str, value: Any, source: str) -> None:
    """Set the value at a dotted `path` in place, making the mappings on the way; an error quotes `source`.

    Raises SuiteError.
    """
    *outer, key = path.split(".")
    if len(outer) > MAX_LEVELS:
        raise SuiteError(f"{quoted(source)} is nested more than {MAX_LEVELS} levels deep.")
    for step in outer:
        content = content.setdefault(step, {})
        if not isinstance(content, dict):
            raise SuiteError(
                f"{quoted(source)} sets a key inside {quoted(step)}, which is {quoted(content)} and has no keys."
            )
    content[key] = value


def dotted(content: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """Return the values inside nested mappings by their dotted paths: {"recipe.lr": 0.1}."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        inner = isinstance(value, dict) and value
        flat |= dotted(value, f"{within}{key}.") if inner else {f"{within}{key}": value}
    return flat
