"""A suite: which models, on which data, at which budget, with which seeds. Read from YAML, never changed."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from bench.display import one_line, quoted, shown
from bench.errors import SuiteError, unknown_name
from bench.files import write_whole
from bench.validation import parse
from bench.yaml_values import assign, dotted, put, read_yaml

Seed = Annotated[int, Field(strict=True, ge=0)]
EXAMPLE = "recipe.images=512"


class TaskSection(BaseModel):
    """Which task, and its options (checked by the task itself)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = "segmentation"

    @property
    def options(self) -> dict[str, Any]:
        """What is not declared here."""
        return dict(self.model_extra or {})


class DataSection(TaskSection):
    """Which dataset, and its options (checked by the dataset itself)."""

    name: str
    root: Path | None = None  # where a dataset on disk lies


def _as_section(given: Any) -> Any:
    """Return a task by its mere name as the section that it stands for."""
    return {"name": given} if isinstance(given, str) else given


def _one_model(given: Any) -> Any:
    if isinstance(given, list):
        raise ValueError(f"it lists {quoted(given)}, but is one name; {choice_of('model', given)}")
    return given


def choice_of(key: str, values: Sequence[Any]) -> str:
    """Return how a suite says that arms differ in `key`, as the end of a sentence."""
    return f"a choice stands under sweep: {{{key}: [{', '.join(map(shown, values))}]}}."


@dataclass(frozen=True)
class Variant:
    """One arm, as an entry says it."""

    name: str
    model: str
    factors: dict[str, Any]
    own: dict[str, dict[str, Any]]  # the options by which it alone is measured, by section


class ArmEntry(BaseModel):
    """A model and its factors, each a value. What stands under `sweep` is a choice: each combination is an arm.

    Under a section's name stands by what these arms are measured instead of the study's section, such as a
    `recipe` with an lr that suits them; such options are swept by their dotted names, `recipe.lr`. `name` is what
    the arm is called; without it, it's called by its model and whatever else the entry says.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    name: Annotated[str, Field(pattern=r"^\S(.*\S)?$")] | None = None
    model: Annotated[str | None, BeforeValidator(_one_model)] = None
    sweep: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> "ArmEntry":
        factors, own = self._given
        if (self.model is None) == ("model" not in self.sweep):
            raise ValueError("expected one model: unet, or a choice of some, sweep: {model: [unet, fpn]}.")
        for section, options in own.items():
            if not isinstance(options, dict):
                raise ValueError(f"'{section}' is {quoted(options)}, expected a mapping (keys and values).")
        for key in self.sweep:
            if key in factors | dotted(own):
                raise ValueError(f"'{key}' has a value, and a choice under sweep; leave one of the two out.")
        return self

    @property
    def _given(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What stands beside the model: the factors, and by section what these arms have of their own."""
        factors, sections = deepcopy(self.model_extra or {}), _sections(of_arms=True)
        return factors, {section: factors.pop(section) for section in sections if section in factors}

    @property
    def variants(self) -> list[Variant]:
        """The arms, in the order of the choices."""
        choices = product(*self.sweep.values())
        return [self._variant(dict(zip(self.sweep, values, strict=True))) for values in choices]

    def _variant(self, chosen: dict[str, Any]) -> Variant:
        factors, own = self._given
        for key, value in chosen.items():
            section, _, option = key.partition(".")
            if option and section in _sections(of_arms=True):
                put(own.setdefault(section, {}), option, value, key)
            else:
                factors[key] = value
        model = factors.pop("model", self.model)
        told = chosen if self.name else {**factors, **dotted(own)}
        parts = [f"{key}={shown(value)}" for key, value in told.items()]
        own = {section: options for section, options in own.items() if options}
        return Variant(", ".join([self.name or model, *parts]), model, factors, own)


class Study(BaseModel):
    """One task on one dataset. Every other key is a section: a measurement's options, which it checks itself."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, dict[str, Any]]

    task: Annotated[TaskSection, BeforeValidator(_as_section)] = TaskSection()
    data: DataSection
    model: dict[str, Any] = Field(default_factory=dict)  # the factors that all arms share
    arms: list[ArmEntry] = Field(min_length=1)

    @property
    def sections(self) -> dict[str, dict[str, Any]]:
        """The options of measurements, by section."""
        return dict(self.__pydantic_extra__)


class Suite(BaseModel):
    """Everything a run needs: its studies, each with the same seeds.

    In a file, what stands beside `studies` is what all of them share; without `studies`, it is the only one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, pattern=r"^\w[\w.-]*$")
    description: str = ""
    seeds: list[Seed] = Field(min_length=1)
    studies: list[Study] = Field(min_length=1)

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: list[int]) -> list[int]:
        for seed in seeds:
            if seeds.count(seed) > 1:
                raise ValueError(f"{seed} stands twice; each seed is one run.")
        return seeds


OWN_KEYS = ("name", "description", "seeds")  # the suite's, next to `studies`; every other key is a study's


def list_suites() -> dict[str, str]:
    """Return the shipped suites: name -> description."""
    suites = [_read(path.name.removesuffix(".yaml")) for path in _shipped().iterdir()]
    return {suite["name"]: suite["description"] for suite in sorted(suites, key=lambda suite: suite["name"])}


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


def _sections(of_arms: bool = False) -> list[str]:
    """Return the sections of all measurements, or those of which an arm may have its own."""
    from bench.measure import measurements  # late: it brings torch, which listing suites does without

    return [measurement.section for measurement in measurements() if measurement.per_arm or not of_arms]


def _keys_of_study() -> list[str]:
    return [*Study.model_fields, *_sections()]


def _separate(content: dict[str, Any], source: str) -> list[dict[str, Any]]:
    """Return each study of a suite's mapping, complete with what all of them share."""
    _check_keys(content, [*Suite.model_fields, *_keys_of_study()], "the suite")
    shared = {key: value for key, value in content.items() if key not in Suite.model_fields}
    studies = content.get("studies", [{}])
    if not isinstance(studies, list) or not studies or not all(isinstance(each, dict) for each in studies):
        raise SuiteError(
            f"studies in {source} is {quoted(studies)}, expected a list of mappings, such as [{{task: pose}}]."
        )
    return [_merged(_named(shared), _named(study)) for study in studies]


def _named(study: dict[str, Any]) -> dict[str, Any]:
    """Return a study whose task, where it stands as a mere name, is a section that options may join."""
    return study | {"task": _as_section(study["task"])} if "task" in study else study


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
    task = _as_section(study.get("task", {}))
    return task.get("name", TaskSection().name) if isinstance(task, dict) else task


def _of_tasks(studies: list[dict[str, Any]], tasks: Sequence[str]) -> list[dict[str, Any]]:
    present = list(map(_task_of, studies))
    for task in tasks:
        if task not in present:
            raise SuiteError("in the suite: " + unknown_name("task", task, sorted(set(present))))
    return [study for study, task in zip(studies, present, strict=True) if task in tasks]


def _size_of(data: Any) -> dict[str, Any]:
    """Return of a data section the image size alone, which a folder of one's own is read at."""
    return {"size": data["size"]} if isinstance(data, dict) and "size" in data else {}


def _shipped() -> Any:
    return resources.files("bench") / "suites"


def _read(source: str) -> dict[str, Any]:
    """Return the YAML mapping that a shipped name or a path stands for."""
    try:
        is_path = source.endswith((".yaml", ".yml")) or "/" in source or Path(source).is_file()
        file = Path(source) if is_path else _shipped() / f"{source}.yaml"
        if not file.is_file():
            names = sorted(path.name.removesuffix(".yaml") for path in _shipped().iterdir())
            raise SuiteError(f"no such suite file: {source}." if is_path else unknown_name("suite", source, names))
        text = file.read_text(encoding="utf-8")
    except (ValueError, OSError) as error:  # UnicodeDecodeError is one, and a name that no file can have
        raise SuiteError(f"{one_line(source, 300)} cannot be read as text: {error}.") from None
    content = read_yaml(text, str(file))
    if not isinstance(content, dict):
        raise SuiteError(f"{file} holds {type(content).__name__}, expected a mapping with the keys of a suite.")
    return content
