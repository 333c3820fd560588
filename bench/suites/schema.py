"""A suite: which models, on which data, at which budget, with which seeds; never changed once it is read."""

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from skipbench.bench.yaml_values import dotted, put
from skipbench.display import quoted, shown

Seed = Annotated[int, Field(strict=True, ge=0)]
TASK = "task"  # the section of a study and of an arm with the task's options
Margin = Annotated[float, Field(gt=0, allow_inf_nan=False)]  # in the unit in which the score is recorded


def sections_known(of_arms: bool = False) -> list[str]:
    """Return the sections of all measurements, or all of which an arm may have its own."""
    from skipbench.bench.measure import measurements  # late: it brings torch, which listing suites does without

    of_measurements = [part.section for part in measurements() if part.per_arm or not of_arms]
    return [*of_measurements, TASK] if of_arms else of_measurements


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
    label: Annotated[str, Field(pattern=r"^\S(.*\S)?$")] | None = (
        None  # what results call it; as it is named if not given
    )


def as_section(given: Any) -> Any:
    """Return the section that a task's name alone stands for."""
    return {"name": given} if isinstance(given, str) else given


def _one_model(given: Any) -> Any:
    if isinstance(given, list):
        raise ValueError(f"expected one name, not {quoted(given)}; {choice_of('model', given)}")
    return given


def choice_of(key: str, values: Sequence[Any]) -> str:
    """Return how a suite says that arms differ in `key`, as the end of a sentence."""
    return f"list the choices under sweep: {{{key}: [{', '.join(map(shown, values))}]}}."


@dataclass(frozen=True)
class Variant:
    """One arm, as an entry says it."""

    name: str | None
    model: str
    factors: dict[str, Any]
    own: dict[str, dict[str, Any]]  # the options by which it alone is trained and measured, by section
    swept: dict[str, Any]  # what of all this was a choice, by dotted names

    @property
    def differences(self) -> dict[str, Any]:
        """What may distinguish it from other arms of its name or model."""
        return self.swept if self.name else {**self.factors, **dotted(self.own)}


class ArmEntry(BaseModel):
    """A model and its factors, each a value. `sweep` lists choices: each combination of them is an arm.

    A section, such as a `recipe` with an lr that suits these arms, goes over the study's section of that name;
    its options are swept by their dotted names, `recipe.lr`. Of `task`, arms have those that only the loss reads.
    `name` is what the arm is called; without it, it's called by its model and what the entry says that isn't the
    model's own. `morph` names two models instead: each step of the way from one to the other is an arm (see
    suites/morphs.py).
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    name: Annotated[str, Field(pattern=r"^\S(.*\S)?$")] | None = None
    model: Annotated[str | None, BeforeValidator(_one_model)] = None
    sweep: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    morph: Annotated[list[str], Field(min_length=2, max_length=2)] | None = None
    steps: list[str] = Field(default_factory=list)  # the morph's arms in order; the plan writes it

    @model_validator(mode="after")
    def _check(self) -> "ArmEntry":
        factors, own = self._given
        if self.morph and (self.model or self.sweep):
            raise ValueError(
                "a morph goes from one model to another; 'model' and 'sweep' make an entry of their own."
            )
        if not self.morph and (self.model is None) == ("model" not in self.sweep):
            raise ValueError(
                "expected one model (model: unet), or several under sweep (sweep: {model: [unet, fpn]})."
            )
        for section, options in own.items():
            if not isinstance(options, dict):
                raise ValueError(f"'{section}' is {quoted(options)}, expected a mapping (keys and values).")
        for key in self.sweep:
            if key in factors | dotted(own):
                raise ValueError(f"'{key}' has both a value and choices under sweep; remove one of the two.")
        return self

    @property
    def _given(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What is given beside the model: the factors, and by section what these arms have of their own."""
        factors, sections = deepcopy(self.model_extra or {}), sections_known(of_arms=True)
        return factors, {section: factors.pop(section) for section in sections if section in factors}

    @property
    def variants(self) -> list[Variant]:
        """The arms, in the order of the choices; of a morph its two ends."""
        if self.morph:
            return [Variant(None, model, *self._given, {}) for model in self.morph]
        choices = product(*self.sweep.values())
        return [self._variant(dict(zip(self.sweep, values, strict=True))) for values in choices]

    def _variant(self, chosen: dict[str, Any]) -> Variant:
        factors, own = self._given
        for key, value in chosen.items():
            section, _, option = key.partition(".")
            if option and section in sections_known(of_arms=True):
                put(own.setdefault(section, {}), option, value, key)
            else:
                factors[key] = value
        model = factors.pop("model", self.model)
        own = {section: options for section, options in own.items() if options}
        return Variant(self.name, model, factors, own, chosen)


def _target(given: Any) -> Any:
    """Return the number that is meant, or the name; YAML reads 1e6, without a dot, as text."""
    try:
        number = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError):
        number = math.nan
    if 0 < number < math.inf:
        return number
    if isinstance(given, str) and given and math.isnan(number):
        return given
    raise ValueError(f"{quoted(given)} is neither the name of an arm nor a number above 0.")


class Match(BaseModel):
    """Arms at equal budgets: each is measured as it is, and once more with the decoder width that costs as much."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Literal["params", "macs", "latency", "memory"]
    to: Annotated[float | str, BeforeValidator(_target)]  # parameters, MACs, ms or bytes; or what that arm costs
    with_: Literal["width"] = Field("width", alias="with")
    solved: dict[str, int | list[int]] = Field(
        default_factory=dict
    )  # widths that a session found; a run writes them


class Study(BaseModel):
    """One task on one dataset. Every other key is a section: a measurement's options, which it checks itself."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, dict[str, Any]]

    task: Annotated[TaskSection, BeforeValidator(as_section)] = TaskSection()
    data: DataSection
    model: dict[str, Any] = Field(default_factory=dict)  # the factors that all arms share
    arms: list[ArmEntry] = Field(min_length=1)
    seeds: list[Seed] = Field(min_length=1)
    match: Match | None = None
    margin: Margin | dict[str, Margin] | None = (
        None  # differences that count as none: of the headline score, or by key
    )

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: list[int]) -> list[int]:
        for seed in seeds:
            if seeds.count(seed) > 1:
                raise ValueError(f"duplicate seed {seed}; each seed is one run.")
        return seeds

    @property
    def sections(self) -> dict[str, dict[str, Any]]:
        """The options of measurements, by section."""
        return dict(self.__pydantic_extra__)


class Suite(BaseModel):
    """Everything a run needs: its studies.

    In a file, the keys beside `studies` are what all of them share; without `studies`, they are the only one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, pattern=r"^\w[\w.-]*$")
    question: str = ""  # that the report answers
    description: str = ""
    keep: Literal["best", "all", "none"] = "best"  # trained networks: of each arm's best seed, of all cells, none
    studies: list[Study] = Field(min_length=1)
