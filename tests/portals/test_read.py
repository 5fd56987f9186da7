from __future__ import annotations

import io
import json

import polars as pl
import pytest
from hypothesis import given, strategies as st

from urbancast.core.errors import PortalError
from urbancast.portals import media, read

EVERY = [media.JSON, media.OPEN_METEO, media.GEOJSON, media.CSV, media.PARQUET, media.SHAPEFILE, media.ZIP]
FRAME = pl.DataFrame({"a": ["x", None], "b": [1, 2]})


def parquet(frame: pl.DataFrame = FRAME) -> bytes:
    store = io.BytesIO()
    frame.write_parquet(store)
    return store.getvalue()


def readable_or_refused(payload: bytes, kind: str) -> None:
    """Either a frame or a PortalError: nothing else may come out."""
    try:
        frame = read.frame(payload, kind)
    except PortalError:
        return
    assert read.rows(payload, kind) == frame.height


@pytest.mark.parametrize("kind", EVERY)
@given(payload=st.binary(max_size=200))
def test_bytes_that_are_not_what_they_claim_are_the_portals_fault(kind, payload):
    readable_or_refused(payload, kind)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "features", "geometry", "hourly", "time", "results", "a"]), inner)
    ),
    max_leaves=8,
)


@given(document=JSON_VALUES | st.fixed_dictionaries({"type": st.just("FeatureCollection"), "features": JSON_VALUES}))
def test_json_of_another_shape_is_the_portals_fault(document):
    readable_or_refused(json.dumps(document).encode(), media.JSON)


@given(cut=st.integers(0, len(parquet()) - 1))
def test_a_cut_parquet_file_is_refused(cut):
    with pytest.raises(PortalError):
        read.frame(parquet()[:cut], media.PARQUET)
    with pytest.raises(PortalError):
        read.rows(parquet()[:cut], media.PARQUET)


def test_a_page_is_known_by_its_bytes_alone():
    assert media.sniff(parquet()) == media.PARQUET
    assert media.sniff(b'\xef\xbb\xbf[{"a": 1}]') == media.JSON
    assert media.sniff(b'{"latitude": 1, "hourly": {"time": []}}') == media.OPEN_METEO
    assert media.sniff(b"a;b\n1;2\n") == media.CSV
    assert read.frame(parquet(), "").equals(FRAME)


def test_a_web_page_is_never_data():
    for payload in (b"<!DOCTYPE html><p>down</p>", b"\n  <HTML><body></body></HTML>"):
        with pytest.raises(PortalError, match="found a web page"):
            read.frame(payload, media.CSV)


def test_a_quote_left_open_swallows_no_row():
    frame = read.frame(b'a;b\n1;"open\n2;y\n3;z\n', media.CSV)
    assert frame["a"].to_list() == ["1", "2", "3"]


def test_a_format_nobody_reads_is_named():
    with pytest.raises(PortalError, match="'application/pdf'"):
        read.frame(b"%PDF", "application/pdf")


def test_columns_named_twice_are_refused():
    with pytest.raises(PortalError, match="named twice: a"):
        read.frame(b"a;b;a\n1;2;3\n", media.CSV)
