"""Text files of any encoding are one text."""

from pathlib import Path

import pytest

from skipbench.bench.data.findings import FileError
from skipbench.bench.data.text import read_lines, read_table, read_text
from skipbench.bench.suites.reading import load_suite
from skipbench.bench.text import decoded

TEXT = "größe: 1\nnaïve: 2\n"
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_encoding_and_line_end(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(TEXT.replace("\n", end).encode(encoding))
    assert read_text(path) == TEXT
    assert read_lines(path) == ["größe: 1", "naïve: 2"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(f'a{separator} b \r\n\r\n"1{separator}0"{separator}2\r\n'.encode("utf-16"))
    assert read_table(path) == [["a", "b"], [f"1{separator}0", "2"]]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a\0b\0\0\0\xd8\0", b"\x89PNG\r\n\0\0\0\0\0\0\0\0\0"])
def test_bytes_that_are_no_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(FileError, match="cannot be read as text"):
        read_text(tmp_path / "x.txt")


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"cannot be read as text \(No such file or directory\)"):
        read_text(tmp_path / "x.txt")


def test_where_nothing_is_to_be_guessed() -> None:
    assert decoded(TEXT.encode("utf-16"), guess=False) == TEXT
    with pytest.raises(ValueError, match="invalid"):
        decoded(TEXT.encode("cp1252"), guess=False)


@pytest.mark.parametrize("encoding", ENCODINGS[:-1])
def test_a_suite_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes("name: größe\r\narms: [{model: unet}]\r\n".encode(encoding))
    assert load_suite(str(path)).name == "größe"
