"""The command as such: quick to answer, and one sentence for each way of calling it wrongly."""

import importlib
import pkgutil
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from skipbench.bench import cli
from skipbench.bench.cli import COMMANDS
from skipbench.bench.records.reader import DATABASE
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
        "preview",
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


def test_a_group_of_commands_alone_shows_its_help(skipbench: Any) -> None:
    outcome = skipbench("data")
    assert outcome.code == 2
    assert outcome.err.startswith("Usage: skipbench data ")


def test_the_run_that_was_meant_is_named(skipbench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "mine" / "report").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / DATABASE).touch()
    assert "mine contains no run, but runs/mine does." in skipbench("status", "mine").err
    assert "runs/mine/report contains no run, but runs/mine does." in skipbench("status", "runs/mine/report").err


def test_a_folder_for_a_run_is_refused_before_the_data_are_read(skipbench: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    outcome = skipbench("run", "quick", "data.size=nonsense", "--out", tmp_path)
    assert outcome.code == 2
    assert "is not empty and contains no run (it contains notes.txt)" in outcome.err


@pytest.mark.parametrize(
    ("given", "meant"),
    [("~/x", "{home}/x"), ("--out=~/x", "--out={home}/x"), ("data.root=~", "data.root={home}"), ("a~/x", "a~/x")],
)
def test_the_home_folder_may_be_called_by_a_tilde(given: str, meant: str) -> None:
    assert cli.at_home(given) == meant.format(home=Path.home())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ru"], "No such command 'ru'. Did you mean 'run'?"),
        (["run", "quick", "--dryrun"], "No such option: --dryrun (Possible options: --dry-run)"),
        (["run"], "Missing argument 'SUITE'."),
        (["quick"], "'quick' is a suite, not a command: skipbench run quick"),
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
        (
            ["run", "."],
            ". is a folder, expected a suite (ablation, claims, morph, quick, standard, or a YAML file); ",
        ),
        (["run", "quick.yml"], "no such suite file: quick.yml. The shipped suite is called 'quick'."),
        (["run", "quick", "."], ". is a folder; images of your own are given by --data ."),
        (
            ["run", "quick", "--seeds", "0"],
            "No such option: --seeds. Values of the suite or the data are given as KEY",
        ),
        (["run", "quick", "--recipe.images=64"], "are given as KEY=VALUE, such as recipe.images=512"),
        (
            ["run", "quick", "recipe.device=cuda:1"],
            "'cuda:1' is one GPU of several: set CUDA_VISIBLE_DEVICES=1 before",
        ),
        (
            ["run", "quick", "recipe.device=mps"],
            "'mps' is no device to compute on: expected 'cpu', 'cuda' or 'auto' (",
        ),
        (
            ["latency", "unet", "--device", "gpu"],
            "'gpu' is no device to compute on: expected 'cpu', 'cuda' or 'auto'",
        ),
        (["cost", "unet", "fusion=add"], "'fusion=add' is not a model; a factor is given by --set fusion=add."),
        (["cost", "unet", "resnet18"], "'resnet18' is not a model but an encoder; give it by --encoder resnet18."),
        (["plot", "accuracy", "no/run"], "the run folder comes first: skipbench plot no/run accuracy"),
        (
            ["export", "no/run", "--arm", "unet", "--out", "x.onnx"],
            "there is no folder no/run, and a model's name has",
        ),
        (["data", "check", "~/not here"], f"{Path.home()}/not here: there is no such folder"),
        (["data", "check", "no images", "data.clases=[a]"], "no images: there is no such folder"),
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
