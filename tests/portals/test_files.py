from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime

import polars as pl
import pytest
import shapefile
import shapely
from pyproj import CRS, Transformer

from urbancast.core.errors import PortalError
from urbancast.portals import by_name, read
from urbancast.portals.session import Session

NOW = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)
NAME = "El Viso – Ñ"


@pytest.fixture
def fetch(source):
    def run(where, **options):
        with Session() as session:
            return list(by_name("files").fetch(source("files", "", url=str(where)), None, session=session, now=NOW))

    return run


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json"])
def test_a_local_file_is_kept_byte_for_byte(fetch, tmp_path, suffix):
    frame = pl.DataFrame({"a": ["1", "2"], "b": ["x", None]})
    path = tmp_path / f"table.{suffix}"
    getattr(frame, f"write_{suffix}")(path)
    (fetched,) = fetch(path)
    assert fetched.payload == path.read_bytes()
    assert fetched.rows_received == 2
    assert read.native(fetched).equals(frame)


def test_a_folder_is_all_of_its_tables_by_name(fetch, tmp_path):
    for name in ("2022.csv", "2020.csv", "notes.md"):
        (tmp_path / name).write_text(f"a;b\n{name};2\n")
    assert [read.native(page)["a"][0] for page in fetch(tmp_path)] == ["2020.csv", "2022.csv"]


def test_a_missing_file_is_named(fetch, tmp_path):
    with pytest.raises(PortalError, match=r"none\.csv"):
        fetch(tmp_path / "none.csv")


def test_a_zip_with_one_table_is_that_table(fetch, tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("inside.csv", "a;b\n1;2\n")
    assert read.native(fetch(tmp_path / "t.zip")[0]).rows() == [("1", "2")]


@pytest.fixture(params=[4326, 25830])
def shape_file(request, tmp_path):
    """One square named in Spanish, in degrees or in metres."""
    square = shapely.box(-3.70, 40.41, -3.68, 40.43)
    forward = Transformer.from_crs("EPSG:4326", f"EPSG:{request.param}", always_xy=True).transform
    ring = [list(forward(x, y)) for x, y in square.exterior.coords]
    path = tmp_path / "barrios.shp"
    with shapefile.Writer(str(path), encoding="cp1252") as writer:
        writer.field("NOMBRE", "C", 40)
        writer.field("CODDIS", "N", 4)
        writer.poly([ring[::-1]])
        writer.record(NAME, 5)
    path.with_suffix(".prj").write_text(CRS.from_epsg(request.param).to_wkt("WKT1_ESRI"))
    path.with_suffix(".cpg").write_text("cp1252")
    return path


def test_a_shapefile_comes_back_in_degrees(fetch, shape_file):
    (fetched,) = fetch(shape_file)
    frame = read.native(fetched)
    assert frame.select("NOMBRE", "CODDIS").rows() == [(NAME, 5)]
    shape = shapely.from_wkb(frame["geometry"][0])
    assert shape.symmetric_difference(shapely.box(-3.70, 40.41, -3.68, 40.43)).area < 1e-8


def test_a_shapefile_in_a_zip_is_the_same_and_its_bytes_do_not_change(fetch, shape_file, tmp_path):
    (one,), (two,) = fetch(shape_file), fetch(shape_file)
    assert one.payload == two.payload
    zipped = tmp_path / "limits.zip"
    zipped.write_bytes(one.payload)
    assert read.native(fetch(zipped)[0]).equals(read.native(one))


def test_a_shapefile_without_its_attributes_is_refused(fetch, tmp_path):
    store = io.BytesIO()
    with zipfile.ZipFile(store, "w") as archive:
        archive.writestr("limits.shp", b"")
    (tmp_path / "limits.zip").write_bytes(store.getvalue())
    with pytest.raises(PortalError, match=r"expected \.shp and \.dbf"):
        fetch(tmp_path / "limits.zip")


def test_a_file_of_a_portal_is_read_whole(pull, source):
    (fetched,) = pull(source("files", "counts"), None)
    assert fetched.url.endswith("/files/counts")
    assert read.native(fetched).height == fetched.rows_received == 3 * (32 * 24 + 7)


def test_an_interrupted_download_goes_on_where_it_stopped(emulator, source, tmp_path):
    whole = _download(emulator, source, tmp_path / "one")
    emulator.asked.clear()
    emulator.faults.inject("truncation", times=2)
    assert _download(emulator, source, tmp_path / "two") == whole
    assert len(emulator.asked) == 3
    assert emulator.sent_bytes < 1.1 * len(whole) + len(whole)
    assert not list((tmp_path / "two").rglob("*.part"))


def test_a_later_run_takes_up_what_an_earlier_one_left(emulator, source, tmp_path):
    emulator.faults.inject("truncation", times=3)
    with pytest.raises(PortalError, match="whole answer"):
        _download(emulator, source, tmp_path)
    (left,) = tmp_path.rglob("*.part")
    half = left.stat().st_size
    before = emulator.sent_bytes
    whole = _download(emulator, source, tmp_path)
    assert emulator.sent_bytes - before == len(whole) - half
    assert whole == _download(emulator, source, tmp_path / "fresh")


def test_a_file_that_changed_meanwhile_is_begun_again(emulator, source, tmp_path, clock):
    emulator.faults.inject("truncation", times=3)
    with pytest.raises(PortalError, match="whole answer"):
        _download(emulator, source, tmp_path)
    clock.now = clock.now.replace(day=1)
    whole = _download(emulator, source, tmp_path)
    assert whole == _download(emulator, source, tmp_path / "fresh")


def _download(emulator, source, folder) -> bytes:
    from urbancast.portals.session import Policy

    policy = Policy(attempts=3, wait_initial_s=0)
    with Session.of(link=emulator.url, policy=policy, folder=folder) as session:
        files = by_name("files")
        (fetched,) = files.fetch(source("files", "counts"), None, session=session, now=NOW, url=emulator.url)
    return fetched.payload


@pytest.mark.parametrize(
    ("declared", "body"),
    [
        ("application/vnd.geo+json; charset=utf-8", b'{"type": "FeatureCollection", "features": []}'),
        ("application/octet-stream", b"a;b\n1;2\n"),
        ("text/plain", b'[{"a": 1}]'),
        ("application/csv", b"a;b\n1;2\n"),
    ],
)
def test_a_url_without_a_suffix_is_read_by_what_it_says_or_holds(httpserver, source, declared, body):
    httpserver.expect_request("/api/export").respond_with_data(body, content_type=declared)
    url = httpserver.url_for("/api/export?method=export")
    with Session.of(link=url) as session:
        (fetched,) = by_name("files").fetch(source("files", "x", url=url), None, session=session, now=NOW)
    assert fetched.payload == body
    assert read.native(fetched).height == fetched.rows_received == (0 if b"Feature" in body else 1)
