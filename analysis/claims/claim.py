"""A claim as data: what it says, of which arms, in which score; those of papers, and those of a file."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from skipbench.bench.errors import SuiteError
from skipbench.bench.validation import parse
from skipbench.bench.yaml_values import read_yaml
from skipbench.display import one_line, quoted
from skipbench.errors import unknown_name

Direction = Literal["higher", "lower", "equal"]
Number = Annotated[int, Field(ge=1)]
Arms = dict[str, Any]  # what is so of a side's arms, by factor: {model: unet, fusion: add, passes: "> 1"}
INHERITED = ("arm", "reference", "score", "reference_score", "less", "number", "direction", "margin")


class Part(BaseModel):
    """One comparison: the score of an arm minus that of a reference, seed by seed; or a number that is computed.

    `score` is a key of records, without one the headline of the study; `less` is a key that is taken from it first,
    as in a difference of two groups. The reference's score may be another, `reference_score`; then the reference is
    the arm itself where none is given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: Arms = Field(default_factory=dict)
    reference: Arms = Field(default_factory=dict)
    score: str | None = None
    reference_score: str | None = None
    less: str | None = None
    number: str | None = None  # computed by `skipbench claims`, instead of arms
    direction: Direction  # of the difference, or of the number
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)]  # as recorded: a smaller difference counts as none

    @model_validator(mode="after")
    def _check(self) -> "Part":
        if self.number is None and not (self.arm and (self.reference or self.reference_score)):
            raise ValueError("expected the two sides that are compared, arm and reference, each with its factors.")
        if self.number is None and not self.margin:
            raise ValueError("expected a margin above 0: without one, nothing can be found to be equal.")
        if self.number is not None and (self.arm or self.reference):
            raise ValueError("a number that is computed has no arms.")
        return self


def _one(given: Any) -> Any:
    """Return a list of the one task that a name stands for."""
    return [given] if isinstance(given, str) else given


class Claim(BaseModel):
    """A hypothesis and what it says of a run: all of its `parts` have to hold.

    What parts share stands beside them; a claim without parts is itself the only one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^\w[\w -]*$")]
    id: Number | None = None  # of a published claim
    source: str = ""
    hypothesis: str
    task: Annotated[tuple[str, ...], BeforeValidator(_one)] = ()  # of any task if not given
    budget: Literal["raw", "matched"] | None = None  # arms as they are, or at equal budgets; both if not given
    most_images: Number | None = None  # that the study trains on
    note: str = ""  # what is to be known of how it is asked here
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, content: Any) -> Any:
        if not isinstance(content, Mapping):
            return content
        known = (*cls.model_fields, *INHERITED)
        for key in content:
            if key not in known:
                raise ValueError(unknown_name("key", str(key), known))
        own = {key: value for key, value in content.items() if key not in INHERITED}
        shared = {key: content[key] for key in INHERITED if key in content}
        parts = content.get("parts", [{}])
        if isinstance(parts, list) and all(isinstance(part, dict) for part in parts):
            own["parts"] = [{**shared, **part} for part in parts]
        return own

    @property
    def title(self) -> str:
        """Its number and name."""
        return f"{self.id} {self.name}" if self.id else self.name


class Claims(BaseModel):
    """The content of a file of claims."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]


def published() -> tuple[Claim, ...]:
    """Return the claims of the papers, in the order of their numbers."""
    return _read(resources.files(__package__).joinpath("published.yaml").read_text("utf-8"), "published.yaml")


def read_claims(files: Sequence[Path]) -> tuple[Claim, ...]:
    """Return the claims of YAML files. Raises SuiteError with one sentence on what is wrong."""
    found: list[Claim] = []
    for file in files:
        try:
            text = file.read_text("utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise SuiteError(f"{one_line(str(file), 300)} cannot be read: {reason}.") from None
        found += _read(text, str(file))
    names = [claim.name for claim in found]
    for name in names:
        if names.count(name) > 1:
            raise SuiteError(f"two claims are called '{name}'; give each its own name.")
    return tuple(found)


def _read(text: str, source: str) -> tuple[Claim, ...]:
    content = read_yaml(text, source)
    if not isinstance(content, dict) or list(content) != ["claims"]:
        raise SuiteError(f"{source} is {quoted(content)}, expected the key 'claims' with a list of claims.")
    try:
        return parse(Claims, content).claims
    except SuiteError as error:
        raise SuiteError(f"{source}: {error}") from None
