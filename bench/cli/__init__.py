"""The command `skipbench`, the only place that knows every room.

A command's module is imported when it is called, and torch, pandas and numpy, which take seconds, when it begins
its work: help and bad input are answered at once.
"""

import os.path
import re
import signal
import sys
from importlib import import_module, resources
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from skipbench.bench.cli.streams import lenient_streams
from skipbench.bench.signals import Stopped, stoppable
from skipbench.display import one_line
from skipbench.errors import SkipbenchError

COMMANDS = {  # name: its module, and what the list of commands says of it
    "run": ("run", "Run a suite: count, time and train every arm, once."),
    "tune": ("tune", "Find a learning rate that favours no arm, and write a suite."),
    "status": ("status", "Show each cell of a run: ok, failed and why, or missing."),
    "gc": ("gc", "Remove from a run what its newest plan doesn't name."),
    "report": ("render", "Write the report of a run: one HTML page that opens offline."),
    "live": ("live", "Serve the report of a run to this machine while it goes on."),
    "plot": ("render", "Draw one figure of a run."),
    "tables": ("tables", "Write the tables of a run for papers and programs."),
    "results": ("render", "Write what runs have shown, with budget, seeds and machine."),
    "claims": ("claims", "Say which claims of the papers a run supports."),
    "recommend": ("recommend", "Name the arm to take within limits on cost and score."),
    "compare": ("compare", "Say what agrees between runs of two machines or versions."),
    "cost": ("measure", "Count parameters, MACs, bytes and memory, split by part."),
    "match": ("match", "Find the decoder widths with which models cost alike."),
    "latency": ("measure", "Time forward passes in turns and compare them with the first."),
    "morph": ("morph", "Go from one network to another by edits of single factors."),
    "diff": ("diff", "Show the factors in which two networks differ."),
    "data": ("data", "Check a dataset, or look at it."),
    "convert": ("convert", "Turn a public checkpoint into a network of the design space."),
    "predict": ("predict", "Write what a trained network predicts for new images."),
    "export": ("export", "Write a network as ONNX or as a program of torch.export."),
    "deploy": ("deploy", "Find the fastest runtime and precision that agree with eager."),
    "check": ("extend", "Check that each part in a file keeps its contract, in words."),
    "list": ("listing", "List the names there are to choose from."),
}
MAX_LETTERS = 2000  # characters of a sentence on what is wrong: a path may have many


class Commands(TyperGroup):
    """Imports the module of the command that is called; until then, its line of help is all there is of it."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if args[0] not in COMMANDS and is_shipped(args[0]):
            raise SkipbenchError(f"'{args[0]}' is a suite, not a command: skipbench run {args[0]}")
        name, _, rest = super().resolve_command(ctx, args)
        return name, name and command(name), rest


def is_shipped(name: str) -> bool:
    """Return whether there is a shipped suite of that name."""
    return name.isidentifier() and resources.files("skipbench.bench.suites").joinpath(f"{name}.yaml").is_file()


def command(name: str) -> Any:
    """Return the command of that name."""
    module = typer.Typer(rich_markup_mode=None)
    import_module(f"skipbench.bench.cli.{COMMANDS[name][0]}").add_to(module)
    return typer.main.get_group(module).commands[name]


app = typer.Typer(cls=Commands, rich_markup_mode=None, pretty_exceptions_enable=False)
for name, (_, line) in COMMANDS.items():
    app.command(name, help=line)(lambda: None)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: all went well; 1: a cell failed, or a fusion breaks its contract; 2: bad input, or a disk that is full;
    130, 143, 129: interrupted, terminated, hung up.
    """
    with stoppable(), lenient_streams() as out:
        code = _run(arguments)
        out.flush()
        if out.error is not None:
            _say(f"standard output was not written in full: {out.error.strerror}.")
        return code or 2 * (out.error is not None)


def _run(arguments: list[str] | None) -> int:
    given = [at_home(argument) for argument in (sys.argv[1:] if arguments is None else arguments)]
    try:
        return app(given, prog_name="skipbench", standalone_mode=False) or 0
    except typer.Abort as error:  # typer's word for an interrupt
        return _stopped(error.__cause__)
    except KeyboardInterrupt as error:
        return _stopped(error)
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        if sentence:
            _say(sentence)
        return 2


def at_home(argument: str) -> str:
    """Return an argument with "~", also behind a "=", as the home folder, where the shell has left it."""
    return re.sub(r"(?<![^=])~(?=/|$)", lambda found: os.path.expanduser("~"), argument, count=1)


def _stopped(error: BaseException | None) -> int:
    stopped = error if isinstance(error, Stopped) else Stopped(signal.SIGINT)
    _say(str(stopped))
    return stopped.code


def _say(sentence: str) -> None:
    print(f"skipbench: {one_line(sentence, MAX_LETTERS)}", file=sys.stderr)


@app.callback(invoke_without_command=True)
def skipbench(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Build, cost, train and compare Hourglass, FPN, U-Net and hierarchical rectified Gaussians.

    \b
    A first study, in minutes:
      skipbench run quick                     train every arm on the embedded data
      skipbench report runs/quick             the answer, as one HTML page
      skipbench run quick --data my/images    the same study on your own images

    \b
    A look at one model:
      skipbench list models
      skipbench cost unet fpn --encoder resnet34 --img-size 256x256
      skipbench export unet --encoder resnet34 --out unet.onnx
    """
    if show_version:
        print(f"skipbench {version('skipbench')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


def _way_of(error: Any) -> str:
    """Return how a value of a suite is given, after an option that a command with such values does not have."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    takes_values = any(parameter.name == "overrides" for parameter in getattr(command, "params", ()))
    if not takes_values or not getattr(error, "option_name", None):
        return ""
    return ". Values of the suite or the data are given as KEY=VALUE, such as recipe.images=512 or data.drop=0"


def _sentence(error: Exception) -> str | None:
    """Return what to tell people of an error that is theirs to mend, None for any other."""
    if isinstance(error, SkipbenchError):
        return str(error)
    if isinstance(error, OSError | MemoryError | RecursionError):  # the machine's limits, not the program's faults
        return f"{type(error).__name__}: {error}."
    if type(error).__name__ == "NoArgsIsHelpError":  # what a group of commands alone is for: its help
        print(error, file=sys.stderr)
        return ""
    if hasattr(error, "format_message"):  # typer's own: unknown command, unknown option, missing argument
        return str(error.format_message()).replace("Value error, ", "") + _way_of(error)
    return None
