from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine.errors import UnsupportedError
from engine.storage.listing import Listing, parquet_files
from tests.engine.storage.reading import numbers


def parquet(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(numbers(0, 3), path)
    return path


def found(root: Path) -> dict[str, str]:
    return {entry.name: Path(entry.path).name for entry in Listing(root).entries(root).values()}


def test_files_folders_and_datasets_are_tables(tmp_path):
    parquet(tmp_path / "orders.parquet")
    parquet(tmp_path / "UPPER.PARQUET")
    parquet(tmp_path / "events.parquet" / "part-0.parquet")
    parquet(tmp_path / "lineitem" / "year=1994" / "deep" / "a.parquet")
    parquet(tmp_path / "a name.with dots é.parquet")
    (tmp_path / "part.lance").mkdir()
    assert found(tmp_path) == {
        "orders": "orders.parquet",
        "UPPER": "UPPER.PARQUET",
        "events": "events.parquet",
        "lineitem": "lineitem",
        "a name.with dots é": "a name.with dots é.parquet",
        "part": "part.lance",
    }


def test_what_is_hidden_or_no_table_is_passed_over(tmp_path):
    parquet(tmp_path / ".hidden.parquet")
    parquet(tmp_path / "logs" / "_marks" / "x.parquet")
    parquet(tmp_path / "logs" / ".tmp" / "x.parquet")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no table")
    (tmp_path / ".parquet").write_text("no name")
    (tmp_path / ".t.lance.0.tmp").mkdir()
    (tmp_path / "gone.lance").mkdir()
    (tmp_path / "gone.lance" / ".dropped").touch()
    os.mkfifo(tmp_path / "pipe.parquet")
    assert found(tmp_path) == {}


def test_of_one_name_lance_comes_before_a_file_and_a_file_before_a_folder(tmp_path, caplog):
    parquet(tmp_path / "T.parquet")
    (tmp_path / "t.lance").mkdir()
    parquet(tmp_path / "u.parquet")
    parquet(tmp_path / "U" / "x.parquet")
    listing = Listing(tmp_path)
    for _ in range(2):
        entries = listing.entries(tmp_path)
        assert {e.name: e.kind for e in entries.values()} == {"t": "lance", "u": "parquet"}
        assert Path(entries["u"].path).name == "u.parquet"
    assert sorted(record.message for record in caplog.records) == [
        '"T.parquet" is left out: "t.lance" has its name.',
        '"U" is left out: "u.parquet" has its name.',
    ]


def test_links_that_lead_outside_are_refused(tmp_path, caplog):
    root, outside = tmp_path / "data", tmp_path / "outside"
    inside = parquet(root / "real.parquet")
    secret = parquet(outside / "secret.parquet")
    (root / "file.parquet").symlink_to(secret)
    (root / "folder").symlink_to(outside)
    (root / "broken.parquet").symlink_to(root / "nowhere")
    (root / "set.lance").symlink_to(outside)
    (root / "alias.parquet").symlink_to(inside)
    parquet(root / "mixed" / "own.parquet")
    (root / "mixed" / "linked.parquet").symlink_to(secret)
    (root / "mixed" / "loop").symlink_to(root / "mixed")
    listing = Listing(root)
    for _ in range(2):
        names = {entry.name for entry in listing.entries(root).values()}
        assert names == {"real", "alias", "mixed"}
    told = {record.message for record in caplog.records}
    left_out = ("broken.parquet", "file.parquet", "folder", "set.lance")
    assert told == {f'"{name}" is left out: the link leads outside of the data directory.' for name in left_out}
    assert len(caplog.records) == len(told)
    assert [f.relative for f in parquet_files(str(root / "mixed"), root)] == ["own.parquet"]


@pytest.mark.parametrize(
    ("mark", "kind"),
    [
        ("_delta_log/00000000000000000000.json", "a Delta Lake table"),
        ("metadata/v1.metadata.json", "an Iceberg table"),
        ("metadata/00000-1f.gz.metadata.json", "an Iceberg table"),
        (".hoodie/hoodie.properties", "a Hudi table"),
    ],
)
@pytest.mark.parametrize("folder", ["t", "t/deeper"])
def test_folders_of_other_formats_are_listed_and_refused(tmp_path, mark, kind, folder):
    parquet(tmp_path / folder / "data" / "a.parquet")
    (tmp_path / folder / mark).parent.mkdir(parents=True)
    (tmp_path / folder / mark).write_text("{}")
    parquet(tmp_path / "other.parquet")
    assert found(tmp_path) == {"t": "t", "other": "other.parquet"}
    with pytest.raises(UnsupportedError, match=f'"{Path(folder).name}" is {kind}') as caught:
        parquet_files(str(tmp_path / "t"), tmp_path)
    assert str(tmp_path) not in caught.value.message


def test_a_folder_called_metadata_is_a_folder(tmp_path):
    parquet(tmp_path / "t" / "metadata" / "a.parquet")
    assert [f.relative for f in parquet_files(str(tmp_path / "t"), tmp_path)] == ["metadata/a.parquet"]


def test_links_in_a_table_are_followed_inside_and_told_of_outside(tmp_path, caplog):
    root = tmp_path / "data"
    parquet(root / "t" / "own.parquet")
    (root / "t" / "linked.parquet").symlink_to(parquet(root / "elsewhere" / "x.parquet"))
    (root / "t" / "secret.parquet").symlink_to(parquet(tmp_path / "outside.parquet"))
    (root / "t" / "folder").symlink_to(root / "elsewhere")
    (root / "t" / "broken.parquet").symlink_to(root / "nowhere")
    (root / "t" / "README").symlink_to(root / "nowhere")
    for _ in range(2):
        assert [f.relative for f in parquet_files(str(root / "t"), root)] == ["linked.parquet", "own.parquet"]
    told = sorted(record.message.split('"')[1] for record in caplog.records)
    assert told == ["broken.parquet", "folder", "secret.parquet"]


def test_schemas_are_folders_of_their_own(tmp_path):
    parquet(tmp_path / "sales.schema" / "stores.parquet")
    parquet(tmp_path / "top.parquet")
    listing = Listing(tmp_path)
    assert sorted(listing.schemas()) == ["main", "sales"]
    assert list(listing.entries(listing.schemas()["sales"])) == ["stores"]
    assert list(listing.entries(tmp_path)) == ["top"]


def test_a_folder_cannot_pass_for_the_main_schema(tmp_path, caplog):
    parquet(tmp_path / "MAIN.schema" / "x.parquet")
    assert Listing(tmp_path).schemas() == {"main": tmp_path}
    assert "MAIN" in caplog.text


@pytest.mark.parametrize("name", ["t.parquet", "t"])
def test_the_files_of_a_table_with_their_places(tmp_path, name):
    path = tmp_path / name
    parquet(path if name.endswith("parquet") else path / "x=1" / "b.parquet")
    (file,) = parquet_files(str(path), tmp_path)
    assert file.relative == ("" if name.endswith("parquet") else "x=1/b.parquet")
    assert (file.size, file.mtime_ns) == (Path(file.path).stat().st_size, Path(file.path).stat().st_mtime_ns)
