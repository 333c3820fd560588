"""YAML from people: strict about keys that stand twice, and one sentence for what cannot be read."""

from collections.abc import Iterable
from typing import Any

import yaml

from bench.errors import SuiteError


class _UniqueKeyLoader(yaml.SafeLoader):
    """A key that stands twice is an error, not silently the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = [key for key, _ in node.value if keys.count(key.value) > 1]
        if twice:
            problem = f"the key '{twice[1].value}' stands twice"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=twice[1].start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(text: str, source: str) -> Any:
    """Return what `text` says; `source` names it in the sentence. Raises SuiteError."""
    try:
        return yaml.load(text, _UniqueKeyLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark and "\n" in text else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or error
        raise SuiteError(f"{source} is not valid YAML{line}: {problem}.") from None


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
        raise SuiteError(f"'{assignment}' sets nothing; expected key=value, such as {example}.")
    value = read_yaml(text, f"the value of '{assignment}'")
    *outer, key = path.split(".")
    for step in outer:
        content = content.setdefault(step, {})
        if not isinstance(content, dict):
            raise SuiteError(f"'{assignment}' looks inside '{step}', which is {content!r} and has no keys.")
    content[key] = value
