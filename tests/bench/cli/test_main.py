"""The command as such: quick to answer, and one sentence for each way of calling it wrongly."""

import importlib
import pkgutil
import resource
import subprocess
import sys
from typing import Any

import pytest
import typer

from skipbench.bench import cli
from skipbench.bench.cli import COMMANDS
from skipbench.reports.figures import figure_names

LIGHT = """
import sys
from skipbench.bench.cli import main
code = main({arguments!r})
heavy = {{"torch", "timm", "pandas", "matplotlib", "skipbench.archs"}} & set(sys.modules)
sys.exit(f"imported {{heavy}}" if heavy else code)
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["plot", "--help"], ["--version"], ["list", "suites"], ["ru"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = LIGHT.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == (2 if arguments == ["ru"] else 0), done.stderr


def test_help_answers_in_under_a_third_of_a_second() -> None:
    """Of processor time: other tests may run beside this one."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "skipbench", "--help"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.33


def test_the_list_of_commands_names_every_command_and_cuts_no_line(skipbench: Any) -> None:
    modules = {module.name for module in pkgutil.iter_modules(cli.__path__)} - {
        "ends",
        "executing",
        "morph_rows",
        "options",
        "output",
        "recommend_words",
        "streams",
    }
    defined = {}
    for module in modules:
        commands = typer.Typer()
        importlib.import_module(f"skipbench.bench.cli.{module}").add_to(commands)
        defined |= dict.fromkeys(typer.main.get_group(commands).commands, module)
    assert {name: module for name, (module, _) in COMMANDS.items()} == defined
    shown = skipbench("--help").out
    assert all(line in shown for _, line in COMMANDS.values())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_by_example(command: str, skipbench: Any) -> None:
    outcome = skipbench(command, "--help")
    assert outcome.code == 0
    assert "Example" in outcome.out
    assert f"skipbench {command} " in outcome.out


def test_plot_offers_every_figure_that_there_is(skipbench: Any) -> None:
    assert f"Which figure: {', '.join(figure_names())}, or" in " ".join(skipbench("plot", "--help").out.split())


def test_without_a_command_it_shows_all_of_them(skipbench: Any) -> None:
    outcome = skipbench()
    assert outcome.code == 0
    for command in COMMANDS:
        assert f"\n  {command} " in outcome.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ru"], "No such command 'ru'. Did you mean 'run'?"),
        (["run", "quick", "--dryrun"], "No such option: --dryrun (Possible options: --dry-run)"),
        (["run"], "Missing argument 'SUITE'."),
        (
            ["list", "model"],
            "unknown kind 'model'. Did you mean 'models'? Choices: annotations, blocks, bottom-ups, datasets, ",
        ),
        (["plot", ".", "--kind", "pareo"], "unknown figure 'pareo'. Did you mean 'pareto'?"),
        (["plot", ".", "--format", "jpg"], "unknown format 'jpg'. Did you mean 'png'?"),
        (["cost", "unett"], "unknown model 'unett'. Did you mean 'unet'?"),
        (["cost", "unet", "--encoder", "resnet81"], "unknown encoder 'resnet81'. Did you mean 'resnet"),
        (["cost", "unet", "--set", "fusoin=add"], "unknown factor 'fusoin'. Did you mean 'fusion'?"),
        (["cost", "unet", "--set", "fusion=ad"], "unknown fusion 'ad'. Did you mean 'add'?"),
        (
            ["cost", "unet", "--set", "fusion"],
            "'fusion' is not an assignment; expected key=value, such as fusion=concat.",
        ),
        (["cost", "unet", "--set", "width=wide"], "factor 'width' is 'wide'"),
        (
            ["cost", "unet", "--img-size", "96by96"],
            "--img-size is '96by96', expected HxW in pixels, such as 240x320.",
        ),
        (["cost", "unet", "--img-size", "0x8"], "--img-size is '0x8', expected HxW in pixels"),
        (["latency", "unet", "--rounds", "1"], "latency.rounds is 1, expected 2 or more."),
        (["latency", "unet", "--precision", "fp8"], "latency.precision is 'fp8', expected 'auto'"),
        (["check", "absent.py"], "no such plug-in file: absent.py."),
        (["cost", "unet", "--plugin", "absent.py"], "no such plug-in file: absent.py."),
        (
            ["status", "no/run"],
            "no/run contains no run; start one with: skipbench run SUITE --out no/run",
        ),
        (["report", "no/run"], "no/run contains no run"),
        (["plot", "no/run"], "no/run contains no run"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_exit_code_2(skipbench: Any, arguments: list[str], sentence: str) -> None:
    outcome = skipbench(*arguments)
    assert outcome.code == 2
    assert outcome.err.startswith("skipbench: ")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert "Value error" not in outcome.err
