"""The command `skipbench`, the only place that knows every room. Commands import what they need when called."""

import signal
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from skipbench.bench.cli import (
    convert,
    data,
    deploy,
    export,
    extend,
    listing,
    measure,
    render,
    run,
    status,
    tune,
)
from skipbench.bench.cli.streams import lenient_streams
from skipbench.bench.signals import Stopped, stoppable
from skipbench.display import one_line
from skipbench.errors import SkipbenchError

MAX_LETTERS = 2000  # characters of a sentence on what is wrong: a path may have many

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
for module in (run, tune, status, render, measure, data, convert, export, deploy, extend, listing):
    module.add_to(app)


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
    try:
        return app(arguments, prog_name="skipbench", standalone_mode=False) or 0
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


def _sentence(error: Exception) -> str | None:
    """Return what to tell people of an error that is theirs to mend, None for any other."""
    if isinstance(error, SkipbenchError):
        return str(error)
    if isinstance(error, OSError | MemoryError | RecursionError):  # the machine's limits, not the program's faults
        return f"{type(error).__name__}: {error}."
    if hasattr(error, "format_message"):  # typer's own: unknown command, unknown option, missing argument
        return str(error.format_message()).replace("Value error, ", "")
    return None
