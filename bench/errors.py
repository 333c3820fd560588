"""The errors that measurement raises; the command line turns each into one sentence and exit code 2."""

from skipbench.errors import SkipbenchError


class BenchError(SkipbenchError):
    """Base of every error that `bench` raises on purpose."""


class SuiteError(BenchError):
    """A suite, an override or a command-line option is wrong."""


class DataError(BenchError):
    """A data folder or one of its files cannot be used."""


class StoreError(BenchError):
    """A run folder cannot be opened, is in use, or holds something else."""


class PluginError(BenchError):
    """A plug-in file cannot be imported or breaks the contract of what it registers."""
