"""Where the command `skipbench` starts: it can be stopped before anything large is imported."""

import sys

from skipbench.bench.signals import stoppable


def main() -> int:
    """Run the command line and return its exit code."""
    with stoppable():
        from skipbench.bench.cli import main as command

        return command()


if __name__ == "__main__":
    sys.exit(main())
