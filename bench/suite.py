"""A suite: which models, on which data, at which budget, with which seeds. Read from YAML, never changed."""

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from bench.errors import SuiteError, unknown_name
from bench.validation import parse
from bench.yaml_values import assign, read_yaml

Seed = Annotated[int, Field(strict=True, ge=0)]
Pixels = Annotated[int, Field(strict=True, gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSection(BaseModel):
    """Which dataset, and its options (checked by the dataset itself)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    root: Path | None = None  # where a dataset on disk lies

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the name and the place."""
        return dict(self.model_extra or {})


class ArmEntry(BaseModel):
    """A model and its factors. A list is a choice of values: each combination becomes an arm of its own."""

    model_config = ConfigDict(frozen=True, extra="allow")

    model: Annotated[list[str], BeforeValidator(lambda given: [given] if isinstance(given, str) else given)]

    @model_validator(mode="after")
    def _no_empty_choice(self) -> "ArmEntry":
        for name, values in self.choices.items():
            if not values:
                raise ValueError(f"'{name}' lists no value; give at least one.")
        return self

    @property
    def choices(self) -> dict[str, list[Any]]:
        """The values of each factor, the model among them."""
        entries = {"model": self.model, **(self.model_extra or {})}
        return {name: value if isinstance(value, list) else [value] for name, value in entries.items()}


class CostSection(_Section):
    """How cost is counted."""

    size: tuple[Pixels, Pixels] | None = None  # (H, W) in pixels; None: the data's own size


class Suite(_Section):
    """Everything a run needs. `recipe` and `latency` are checked where they are used, by their own models."""

    name: str = Field(min_length=1, pattern=r"^\w[\w.-]*$")
    description: str = ""
    task: str = "segmentation"
    data: DataSection
    model: dict[str, Any] = Field(default_factory=dict)  # the factors that all arms share
    arms: list[ArmEntry] = Field(min_length=1)
    recipe: dict[str, Any] = Field(default_factory=dict)
    seeds: list[Seed] = Field(min_length=1)
    latency: dict[str, Any] = Field(default_factory=dict)
    cost: CostSection = CostSection()

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: list[int]) -> list[int]:
        for seed in seeds:
            if seeds.count(seed) > 1:
                raise ValueError(f"{seed} stands twice; each seed is one run.")
        return seeds


def list_suites() -> dict[str, str]:
    """Return the shipped suites: name -> description."""
    suites = (load_suite(path.name.removesuffix(".yaml")) for path in _shipped().iterdir())
    return {suite.name: suite.description for suite in sorted(suites, key=lambda suite: suite.name)}


def load_suite(source: str, overrides: Iterable[str] = (), data_root: Path | None = None) -> Suite:
    """Return the suite `source` (a shipped name or a YAML file) with `a.b=value` overrides applied.

    `data_root` takes the place of the suite's data: a folder of images and masks, read at the size
    that the suite asks for. Raises SuiteError.
    """
    content = _read(source)
    if data_root is not None:
        content["data"] = _folder_data(content.get("data"), data_root)
    for override in overrides:
        assign(content, override, example="recipe.images=512")
    return parse(Suite, content)


def _shipped() -> Any:
    return resources.files("bench") / "suites"


def _read(source: str) -> dict[str, Any]:
    """Return the YAML mapping that a shipped name or a path stands for."""
    is_path = source.endswith((".yaml", ".yml")) or "/" in source or Path(source).is_file()
    file = Path(source) if is_path else _shipped() / f"{source}.yaml"
    if not file.is_file():
        names = sorted(path.name.removesuffix(".yaml") for path in _shipped().iterdir())
        raise SuiteError(f"no such suite file: {source}." if is_path else unknown_name("suite", source, names))
    try:
        text = file.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise SuiteError(f"{file} cannot be read as text: {error}.") from None
    content = read_yaml(text, str(file))
    if not isinstance(content, dict):
        raise SuiteError(f"{file} holds {type(content).__name__}, expected a mapping with the keys of a suite.")
    return content


def _folder_data(data: Any, root: Path) -> dict[str, Any]:
    """Return the data section for a folder: of the suite's own only the image size stays."""
    size = {"size": data["size"]} if isinstance(data, dict) and "size" in data else {}
    return {"name": "folder", "root": str(root), **size}
