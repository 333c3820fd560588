"""Suites read from YAML, with dotted overrides, and written."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from skipbench.bench.errors import SuiteError
from skipbench.bench.files import write_whole
from skipbench.bench.suites.schema import Study, Suite, TaskSection, as_section, sections_known
from skipbench.bench.text import decoded
from skipbench.bench.validation import parse
from skipbench.bench.yaml_values import assign, read_yaml
from skipbench.display import one_line, quoted
from skipbench.errors import unknown_name

EXAMPLE = "recipe.images=512"
SHIPPED = resources.files(__package__)

OWN_KEYS = ("name", "question", "description", "keep")  # the suite's, next to `studies`; others are a study's


def list_suites() -> dict[str, str]:
    """Return the shipped suites: name -> description."""
    suites = [_read(path.name.removesuffix(".yaml")) for path in _shipped()]
    return {suite["name"]: suite["description"] for suite in sorted(suites, key=lambda suite: suite["name"])}


def shared_by(name: str) -> dict[str, Any]:
    """Return what all studies of a shipped suite share: data, factors, recipe, seeds."""
    content = _read(name)
    return {key: content[key] for key in ("data", "model", "recipe", "seeds") if key in content}


def load_suite(
    source: str, overrides: Iterable[str] = (), data: Mapping[str, Any] | None = None, tasks: Sequence[str] = ()
) -> Suite:
    """Return the suite `source` (a shipped name or a YAML file) with `a.b=value` overrides applied.

    An override holds for every study, or, where it begins with a task's name, for the study of that task:
    `pose.recipe.images=512`. `data` takes the place of every study's data, read at the size that the study
    asks for. `tasks` are those whose studies are kept, all if empty. Raises SuiteError.
    """
    content = _read(source)
    own = {key: content[key] for key in OWN_KEYS if key in content}
    studies = _separate(content, source)
    for study in studies if data is not None else ():
        study["data"] = _size_of(study.get("data")) | dict(data or {})
    for override in overrides:
        _override(own, studies, override)
    if tasks:
        studies = _of_tasks(studies, tasks)
    parsed = [_study(study, f"studies[{i}]" if len(studies) > 1 else "") for i, study in enumerate(studies)]
    return parse(Suite, {**own, "studies": parsed})


def _study(content: dict[str, Any], place: str) -> Study:
    _check_keys(content, _keys_of_study(), place or "the suite")
    return parse(Study, content, place)


def write_suite(suite: Suite, file: Path) -> Path:
    """Write `suite` as a file that `load_suite` reads, and return the file."""
    content = suite.model_dump(mode="json", exclude_defaults=True)
    write_whole(file, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return file


def _keys_of_study() -> list[str]:
    return [*Study.model_fields, *sections_known()]


def _separate(content: dict[str, Any], source: str) -> list[dict[str, Any]]:
    """Return each study of a suite's mapping, complete with what all of them share."""
    _check_keys(content, [*Suite.model_fields, *_keys_of_study()], "the suite")
    shared = {key: value for key, value in content.items() if key not in Suite.model_fields}
    studies = content.get("studies", [{}])
    if not isinstance(studies, list) or not studies or not all(isinstance(study, dict) for study in studies):
        raise SuiteError(
            f"'studies' in {source} is {quoted(studies)}, expected a list of mappings, such as [{{task: pose}}]."
        )
    return [_merged(_named(shared), _named(study)) for study in studies]


def _named(study: dict[str, Any]) -> dict[str, Any]:
    """Return a study whose task, where only its name is given, is a section that options may join."""
    return study | {"task": as_section(study["task"])} if "task" in study else study


def _check_keys(content: Mapping[str, Any], known: Sequence[str], place: str) -> None:
    for key in content:
        if key not in known:
            raise SuiteError(f"in {place}: " + unknown_name("key", str(key), known))


def _merged(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return `own` over `shared`; mappings are merged, but data of another name replace the shared ones."""
    merged = deepcopy(shared)
    for key, value in own.items():
        known = merged.get(key)
        if isinstance(known, dict) and isinstance(value, dict) and "name" not in value:
            merged[key] = _merged(known, value)
        else:
            merged[key] = deepcopy(value)
    return merged


def _override(own: dict[str, Any], studies: list[dict[str, Any]], override: str) -> None:
    first, _, rest = override.partition(".")
    tasks = list(map(_task_of, studies))
    if first.partition("=")[0] in OWN_KEYS:
        assign(own, override, EXAMPLE)
    elif first in tasks:
        for study in (study for study, task in zip(studies, tasks, strict=True) if task == first):
            assign(study, rest, EXAMPLE)
    else:
        for study in studies:
            assign(study, override, EXAMPLE)


def _task_of(study: dict[str, Any]) -> Any:
    task = as_section(study.get("task", {}))
    return task.get("name", TaskSection().name) if isinstance(task, dict) else task


def _of_tasks(studies: list[dict[str, Any]], tasks: Sequence[str]) -> list[dict[str, Any]]:
    present = list(map(_task_of, studies))
    for task in tasks:
        if task not in present:
            raise SuiteError("in the suite: " + unknown_name("task", task, sorted(set(present))))
    return [study for study, task in zip(studies, present, strict=True) if task in tasks]


def _size_of(data: Any) -> dict[str, Any]:
    """Return the image size alone of a data section, at which another folder is read."""
    return {"size": data["size"]} if isinstance(data, dict) and "size" in data else {}


def _shipped() -> list[Any]:
    return [file for file in SHIPPED.iterdir() if file.name.endswith(".yaml")]


def _no_suite(source: str, is_path: bool) -> str:
    """Return why there is no such suite, with what was meant where that is near."""
    names = sorted(path.name.removesuffix(".yaml") for path in _shipped())
    if Path(source).is_dir():
        return (
            f"{source} is a folder, expected a suite ({', '.join(names)}, or a YAML file); images of your own are "
            f"given by --data: skipbench run quick --data {source}"
        )
    if not is_path:
        return unknown_name("suite", source, names)
    stem = Path(source).stem
    shipped = f" The shipped suite is called '{stem}'." if stem in names else ""
    return f"no such suite file: {source}.{shipped}"


def _read(source: str) -> dict[str, Any]:
    """Return the YAML mapping that a shipped name or a path stands for."""
    try:
        is_path = source.endswith((".yaml", ".yml")) or "/" in source or Path(source).is_file()
        file = Path(source) if is_path else SHIPPED / f"{source}.yaml"
        if not file.is_file():
            raise SuiteError(_no_suite(source, is_path))
        text = decoded(file.read_bytes(), guess=False)
    except (ValueError, OSError) as error:  # UnicodeDecodeError is one, and a name that no file can have
        raise SuiteError(f"{one_line(source, 300)} cannot be read as text: {error}.") from None
    content = read_yaml(text, str(file))
    if not isinstance(content, dict):
        raise SuiteError(f"{file} is {quoted(content)}, expected a mapping with the keys of a suite.")
    return content
