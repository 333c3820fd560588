"""Public datasets by name: found where torchvision leaves them, downloaded where they are not."""

import hashlib
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import OxfordIIITPet, voc

from skipbench.bench.data import DATASETS, FileSource, Mask, open_data, recognise
from skipbench.bench.errors import DataError

Write = Callable[[Path], Path]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *words: Any) -> None:
        """Say nothing."""


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path, str], tuple[str, str]]]:
    """Return what packs a folder into an archive and serves it; it returns the address and the checksum."""
    served = tmp_path / "served"
    served.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("no_proxy", "*")

    def pack(folder: Path, name: str) -> tuple[str, str]:
        with tarfile.open(served / name, "w:gz" if name.endswith("gz") else "w") as archive:
            archive.add(folder, folder.name)
        checksum = hashlib.md5((served / name).read_bytes()).hexdigest()
        return f"http://127.0.0.1:{server.server_port}/{name}", checksum

    yield pack
    server.shutdown()
    server.server_close()


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> str:
    """Let both downloads ask a host that does not answer."""
    address = "http://127.0.0.1:9/nothing.tar"
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(OxfordIIITPet, "_RESOURCES", ((address, ""),))
    monkeypatch.setitem(voc.DATASET_YEAR_DICT["2012"], "url", address)
    return address


def test_pets_are_found_where_torchvision_leaves_them(
    tmp_path: Path, write_oxford_pet: Write, unreachable: str
) -> None:
    data = open_data("oxford_pet", write_oxford_pet(tmp_path), size=(40, 56))
    assert data.info.name == "oxford_pet"
    assert data.info[Mask].names == ("background", "pet")
    assert data.info.counts == {"train": 8, "val": 2, "test": 2}
    trimap = np.asarray(Image.open(tmp_path / "oxford-iiit-pet/annotations/trimaps/Abyssinian_0.png"))
    mask = data.test[0]["mask"].numpy()
    assert [set(mask[trimap == value]) for value in (1, 2, 3)] == [{1}, {0}, {255}]


def test_voc_is_found_where_torchvision_leaves_it(tmp_path: Path, write_voc2012: Write, unreachable: str) -> None:
    data = open_data("voc2012", write_voc2012(tmp_path))
    assert data.info.name == "voc2012"
    assert data.info.counts == {"train": 7, "val": 1, "test": 2}
    assert (
        "The published validation images, on which papers report results, serve as the test split."
        in data.info.notes
    )


def test_coco_2017_is_tested_on_its_published_validation_images(tmp_path: Path, write_coco2017: Write) -> None:
    info = open_data("coco2017", write_coco2017(tmp_path), size=(240, 320)).info
    assert info.counts == {"train": 4, "val": 1, "test": 2}
    assert info.limits == (16, 48)
    assert info.name == "coco2017"
    assert recognise(tmp_path) == "coco"


def test_pets_are_downloaded(
    tmp_path: Path, write_oxford_pet: Write, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_oxford_pet(tmp_path / "origin") / "oxford-iiit-pet"
    resources = tuple(serve(folder / part, f"{part}.tar.gz") for part in ("images", "annotations"))
    monkeypatch.setattr(OxfordIIITPet, "_RESOURCES", resources)
    assert open_data("oxford_pet", tmp_path / "new").info.counts == {"train": 8, "val": 2, "test": 2}


def test_voc_is_downloaded(
    tmp_path: Path, write_voc2012: Write, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = write_voc2012(tmp_path / "origin") / "VOCdevkit"
    address, checksum = serve(origin, "VOCtrainval_11-May-2012.tar")
    monkeypatch.setitem(
        voc.DATASET_YEAR_DICT, "2012", {**voc.DATASET_YEAR_DICT["2012"], "url": address, "md5": checksum}
    )
    assert open_data("voc2012", tmp_path / "new").info.counts == {"train": 7, "val": 1, "test": 2}


@pytest.mark.parametrize("name", ["oxford_pet", "voc2012"])
def test_an_unreachable_host_is_one_sentence(tmp_path: Path, name: str, unreachable: str) -> None:
    with pytest.raises(DataError) as caught:
        open_data(name, tmp_path / "new")
    sentence = str(caught.value)
    assert sentence.startswith(f"{name} is not in {tmp_path / 'new'}, and its download failed (")
    assert "Connection refused" in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_coco_2017_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    with pytest.raises(DataError, match="it contains no folder train2017/"):
        open_data("coco2017", tmp_path)


def test_a_list_that_is_missing_is_a_finding(tmp_path: Path, write_oxford_pet: Write, unreachable: str) -> None:
    (write_oxford_pet(tmp_path) / "oxford-iiit-pet/annotations/test.txt").unlink()
    (tmp_path / "oxford-iiit-pet/images/Abyssinian_0.jpg").unlink()
    source = DATASETS["oxford_pet"](root=tmp_path)
    assert isinstance(source, FileSource)
    assert [str(problem).split(" (")[0] for problem in source.survey().problems] == [
        "annotations/test.txt: cannot be read as text",
        "images/Abyssinian_0.jpg: cannot be read as an image",
    ]
