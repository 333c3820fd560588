"""`skipbench live`: the report of a run that goes on, served to this machine."""

import signal
from typing import Annotated

import typer

from skipbench.bench.cli.options import Plugins, RunFolder
from skipbench.bench.plugins import load_plugins
from skipbench.bench.signals import Stopped

PORT = 8421


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(live)


def live(
    directory: RunFolder,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of this machine; 0: any that is free.")] = PORT,
    every: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="Make the page anew at most so often.")
    ] = 30.0,
    plugin: Plugins = None,
) -> None:
    """Serve the report of a run to this machine's browser, made anew while the run goes on.

    A line at the top says how many cells are done, failed and missing, about how long the rest takes, and how far
    the current trainings were when their states were last kept (every minute); their curves are drawn, too. Nothing
    is written to the run, and making pages takes a tenth of the time at most: the run needs the machine. Ctrl-C
    ends it.

    \b
    Examples:
      skipbench live runs/quick
      skipbench live runs/quick --port 0 --every 10
    """
    from skipbench.reports.live import serve_live

    load_plugins(plugin or [])  # torch stays out of it
    try:
        for address in serve_live(directory, port, every):
            print(f"live: {address} (Ctrl-C ends it)", flush=True)
    except Stopped as stopped:  # by Ctrl-C as it should be
        raise typer.Exit(0 if stopped.code == 128 + signal.SIGINT else stopped.code) from None
