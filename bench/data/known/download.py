"""Datasets that torchvision downloads, and the split that papers report on."""

from abc import abstractmethod
from dataclasses import replace

from skipbench.bench.data.files.entry import Found
from skipbench.bench.data.files.preflight import Watch, unwatched
from skipbench.bench.data.files.source import FileSource, Survey
from skipbench.bench.errors import DataError


class Downloaded(FileSource):
    """A dataset that is fetched into the folder `root` unless it lies there already."""

    @abstractmethod
    def download(self) -> None:
        """Fetch the dataset into `root`."""

    def survey(self, watch: Watch = unwatched) -> Survey:
        """Download the dataset unless it is there, then check it. Raises DataError where that fails."""
        if self.missing(self.place):
            self._fetch()
        return super().survey(watch)

    def _fetch(self) -> None:
        try:
            self.download()
        except (OSError, RuntimeError) as error:  # URLError is an OSError; a wrong checksum is a RuntimeError
            reason = str(error).rstrip(".")
            raise DataError(
                f"{self.title} is not in {self.root}, and its download failed ({reason}); check the connection, or "
                "give the folder into which torchvision downloaded it elsewhere."
            ) from None


def report_on_val(found: Found) -> None:
    """Make the published validation images the test split; the truth of the published test split is kept."""
    found.entries = [replace(entry, split="test") if entry.split == "val" else entry for entry in found.entries]
    found.notes.append("The published validation images, on which papers report, are the test split here.")
