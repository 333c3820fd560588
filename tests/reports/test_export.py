"""The tables of a report for other programs: found by name, whole, the same in every format."""

import pandas as pd
import pytest

from skipbench.bench.errors import StoreError
from skipbench.reports import write_report
from skipbench.reports.errors import ReportError
from skipbench.reports.export import read_tables, write_tables
from skipbench.reports.figures import TABLE_FORMATS
from skipbench.reports.tables import Table, text


@pytest.fixture(scope="module")
def run(made_up):
    """The folder of a run of two studies."""
    return made_up(studies=(("segmentation", "shapes"), ("pose", "shapes")))


@pytest.fixture(scope="module")
def tables(run):
    """All its tables."""
    return read_tables(run)


def test_they_are_those_of_the_report(run, tables, tmp_path):
    write_report(run, tmp_path / "page")
    files = list((tmp_path / "page" / "tables").glob("*.csv"))
    assert {f"{name}.csv" for name in tables} == {file.name for file in files}
    write_tables(tables, "csv", tmp_path / "mine")
    assert all((tmp_path / "mine" / file.name).read_text() == file.read_text() for file in files)


def test_names_are_found_with_and_without_the_study(run):
    assert list(read_tables(run, ["accuracy"])) == ["segmentation-on-shapes-accuracy", "pose-on-shapes-accuracy"]
    of_pose = read_tables(run, ["pose-*-cost", "accuracy"], task="pose")
    assert list(of_pose) == ["pose-on-shapes-cost", "pose-on-shapes-accuracy"]
    some = read_tables(run, ["accuracy"], task="pose", arms=["unet*"])["pose-on-shapes-accuracy"]
    assert some.frame["arm"].tolist() == ["unet / concat_wide", "unet / add"]
    with pytest.raises(ReportError, match=r"unknown table 'acuracy'\. Did you mean 'accuracy'\?"):
        read_tables(run, ["acuracy"])


@pytest.mark.parametrize("format", TABLE_FORMATS)
def test_every_table_has_every_format_and_the_same_bytes_each_time(tables, tmp_path, format):
    first, second = (write_tables(tables, format, tmp_path / name) for name in "ab")
    assert [file.stem for file in first] == list(tables)
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    assert all(file.stat().st_size for file in first)


def test_parquet_holds_every_fact_at_full_precision(tables, tmp_path):
    for file in write_tables(tables, "parquet", tmp_path / "facts"):
        kept, frame = pd.read_parquet(file), tables[file.stem].frame.reset_index(drop=True)
        assert list(kept.columns) == list(frame.columns)
        assert len(kept) == len(frame)
        for name in frame.select_dtypes(float):
            pd.testing.assert_series_equal(kept[name], frame[name])


def test_a_column_of_mixed_values_is_text_in_parquet(tmp_path):
    mixed = Table("mixed", "Mixed.", pd.DataFrame({"arm": [1, "a", None]}), (text("arm", "Arm"),))
    (file,) = write_tables({"mixed": mixed}, "parquet", tmp_path / "facts")
    assert pd.read_parquet(file)["arm"].tolist()[:2] == ["1", "a"]
    assert pd.read_parquet(file)["arm"].isna().tolist() == [False, False, True]


def test_a_folder_of_somebody_else_and_an_unknown_format_are_refused(tables, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="holds files that this command did not write"):
        write_tables(tables, "csv", tmp_path)
    with pytest.raises(ReportError, match=r"unknown format 'excel'"):
        write_tables(tables, "excel", tmp_path / "new")
    assert not (tmp_path / "new").exists()
