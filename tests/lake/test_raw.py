from __future__ import annotations

import pytest

from urbancast.core.errors import ContractError
from urbancast.core.product import Window
from urbancast.lake import provenance, raw

P = "paris_bikes"


def test_bytes_come_back_exactly_with_their_media_type(lake, page, kept):
    sent = page("día;5\r\n".encode("cp1252"))
    assert raw.keep(lake, sent, **kept)
    (read,) = raw.read(lake, P, "counts")
    assert read.payload == sent.payload
    assert read.media == "text/csv; charset=windows-1252"
    assert read.query == {"where": "x > 1"}
    assert read.manifest["path"].endswith(".csv")
    assert lake.files.list("raw") == [read.manifest["path"]]


def test_the_same_bytes_of_the_same_query_are_kept_once(lake, page, kept):
    assert raw.keep(lake, page(), **kept)
    version = lake.version("raw")
    assert not raw.keep(lake, page(days=1), **kept)
    assert lake.version("raw") == version


def test_bytes_that_come_back_after_others_are_news(lake, page, kept):
    for day, payload in enumerate([b"one", b"two", b"one"]):
        assert raw.keep(lake, page(payload, days=day), **kept)
    assert [p.payload for p in raw.read(lake, P, "counts")] == [b"one", b"two", b"one"]


def test_pages_are_read_in_fetch_order_by_window(lake, at, page, kept):
    windows = [Window(start=at(d), end=at(d + 1)) for d in (2, 1, 0)]
    for day, window in enumerate(windows):
        raw.keep(lake, page(f"day {window.start}".encode(), days=10 + day, window=window), **kept)
    raw.keep(lake, page(b"whole table", days=20), **kept)
    assert [p.window for p in raw.read(lake, P, "counts")] == [*windows, None]
    assert [p.window for p in raw.read(lake, P, "counts", since=at(1), until=at(2))] == [windows[1], None]
    assert [p.window for p in raw.read(lake, P, "counts", since=at(1.5))] == [windows[0], windows[1], None]


def test_a_kill_before_the_manifest_row_costs_nothing(lake, page, kept):
    sent = page()
    raw.keep(lake, sent, **kept)
    path = raw.read(lake, P, "counts")[0].manifest["path"]
    lake.files.put(path.replace("counts", "other"), sent.payload)
    assert raw.read(lake, P, "other") == []
    assert raw.keep(lake, sent, **(kept | {"source": "other"}))
    assert len(raw.read(lake, P, "other")) == 1


def test_first_contact_is_the_oldest_fetch_of_any_source(lake, at, page, kept):
    assert raw.first_contact(lake, P) is None
    raw.keep(lake, page(b"b", days=5), **kept)
    raw.keep(lake, page(b"a", days=2), **(kept | {"source": "weather"}))
    assert raw.first_contact(lake, P) == at(2)


def test_a_pull_of_another_provenance_is_refused_and_writes_nothing(lake, page, kept):
    raw.keep(lake, page(), **kept)
    with pytest.raises(
        ContractError, match=r"raw.provenance: expected sample for paris_bikes.*found live; use another"
    ):
        raw.keep(lake, page(b"real", days=1), **(kept | {"provenance": "live"}))
    assert len(lake.files.list("raw")) == 1
    assert provenance.of(lake, P) == "sample"


def test_products_of_one_lake_may_differ_in_provenance(lake, page, kept):
    raw.keep(lake, page(), **kept)
    assert raw.keep(lake, page(), **(kept | {"product": "nyc_crashes", "provenance": "extract"}))
    assert provenance.of(lake, "nyc_crashes") == "extract"
    assert provenance.of(lake, "chicago_taxi") is None


@pytest.mark.parametrize(
    ("media", "expected"),
    [("text/csv", "csv"), ("application/json; charset=utf-8", "json"), ("application/x-thing", "bin")],
)
def test_a_media_type_has_its_extension(media, expected):
    assert raw.extension(media) == expected
