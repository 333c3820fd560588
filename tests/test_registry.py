"""One registry for all rooms, whose errors are the room's own and have one root."""

import subprocess
import sys
from typing import Any

import pytest

from skipbench import ArchError, BenchError
from skipbench.archs import FUSIONS, UnknownNameError
from skipbench.bench.tasks import TASKS
from skipbench.errors import SkipbenchError, unknown_name
from skipbench.registry import Registry
from skipbench.reports.errors import ReportError
from skipbench.reports.figures import FIGURES


@pytest.mark.parametrize(
    ("registry", "error"),
    [
        (FUSIONS, UnknownNameError),
        (FUSIONS, ArchError),
        (TASKS, BenchError),
        (FIGURES, ReportError),
    ],
)
def test_an_unknown_name_is_an_error_of_its_room(registry: Registry[Any], error: type[SkipbenchError]) -> None:
    with pytest.raises(error, match=f"^unknown {registry.kind} 'nothing'"):
        registry["nothing"]
    assert issubclass(error, SkipbenchError)
    assert "nothing" not in registry


@pytest.mark.parametrize("name", [None, 3, "", " ", "two\nlines"])
def test_a_name_is_a_line_of_text(name: Any) -> None:
    with pytest.raises(SkipbenchError, match="the name of a word must be one line of text, not "):
        Registry[str]("word").register(name)("it")


def test_a_name_is_taken_once_and_a_family_has_members() -> None:
    registry: Registry[str] = Registry("word")
    registry.register("a")("first")
    with pytest.raises(SkipbenchError, match="word 'a' is already registered; choose another name"):
        registry.register("a")("second")
    with pytest.raises(SkipbenchError, match=r"the family of words 'a\*' has no members"):
        registry.register("a*")("third")
    assert registry.registered == {"a": "first"}


def test_a_name_of_its_own_and_a_longer_prefix_go_before_a_family() -> None:
    registry: Registry[str] = Registry("word")
    for name, members in (("a*", ["ab", "abc", "b"]), ("ab*", ["abc"]), ("ab", [])):
        registry.register(name, members)(name)
    assert [registry[name] for name in ("ab", "abc")] == ["ab", "ab*"]
    assert "b" not in registry
    assert "a*" not in registry
    assert registry.names() == ["ab", "abc"]
    assert str(registry).startswith("ab, ")


def test_of_many_choices_the_nearest_are_named() -> None:
    few, many = (unknown_name("word", "c1x", [f"c{i}" for i in range(count)]) for count in (3, 100))
    assert few == "unknown word 'c1x'. Did you mean 'c1'? Choices: c0, c1, c2."
    assert many.startswith("unknown word 'c1x'. Did you mean 'c1'? Choices: c1, ")
    assert many.endswith(", 100 in all.")
    assert len(unknown_name("word", "x" * 10_000, ["a"])) < 150


def test_neither_needs_torch() -> None:
    program = "import sys, skipbench, skipbench.errors, skipbench.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
