"""Every test process computes on one thread: they run side by side."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skipbench.bench.plugins import loading

# before torch is imported, so that workers do not fight for cores
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _plugins_of_one_test() -> Iterator[None]:
    """Forget a test's plug-ins: a process that a later test starts would load them, and find all names twice."""
    loaded = dict(loading._LOADED)
    yield
    loading._LOADED.clear()
    loading._LOADED.update(loaded)


@pytest.fixture
def small_folder() -> Callable[..., Path]:
    """Write a folder of images and masks: disc (1) on ground (0), a few images per split."""

    def write(root: Path, counts: tuple[int, int, int] = (8, 4, 4), size: tuple[int, int] = (40, 56)) -> Path:
        rng = np.random.default_rng(0)
        rows, columns = np.mgrid[: size[0], : size[1]]
        for split, count in zip(("train", "val", "test"), counts, strict=True):
            for kind in ("images", "masks"):
                (root / kind / split).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                row, column = rng.integers(8, size[0] - 8), rng.integers(8, size[1] - 8)
                mask = ((rows - row) ** 2 + (columns - column) ** 2 < 49).astype(np.uint8)
                image = rng.integers(0, 90, (*size, 3)) + 120 * mask[..., None]
                Image.fromarray(image.astype(np.uint8)).save(root / "images" / split / f"{number}.png")
                Image.fromarray(mask).save(root / "masks" / split / f"{number}.png")
        return root

    return write


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """Return a context in which the kernel lets no file of this process grow beyond so many bytes."""

    @contextmanager
    def full(room: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))  # Python ignores the signal that comes with it
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return full


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the longest tests, so that no worker is left waiting for one at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(("tests/test_lint", "tests/test_readme")))
