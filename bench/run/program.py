"""The program that starts cells, begun before the run's own process has imported torch: both import it at once."""

import subprocess
import sys
from multiprocessing import Pipe

PROGRAM = "import sys; sys.path[:] = {path}; from skipbench.bench.run.host import main; main()"


class Program:
    """The process that runs host.py, and the connection to it."""

    def __init__(self) -> None:
        self.connection, theirs = Pipe()
        program = [sys.executable, "-c", PROGRAM.format(path=sys.path), str(theirs.fileno())]
        self.process = subprocess.Popen(program, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        theirs.close()

    def end(self) -> None:
        """End it with all that it has started, as it does by itself once nobody is at the other end."""
        self.connection.close()
        self.process.wait()

    def kill(self) -> None:
        """End it at once, where it was never used: by itself it would import everything first."""
        self.process.kill()
        self.end()
