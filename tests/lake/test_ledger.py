"""The chain over what was promised: one entry a set, sealed by content, moment and the entry before."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import given, strategies as st

from urbancast.lake import digests, forecasts, ledger
from urbancast.lake.ledger import Sealed

P = "paris_bikes"
AT = datetime(2026, 11, 21, 23, 50, 0, 123456, tzinfo=UTC)


def sealed(name: str, kind: ledger.Kind = "issued") -> Sealed:
    return Sealed(kind=kind, subject=ledger.subject(measure="bikes", origin=AT, release=name), rows=3, content="c")


def test_content_is_what_the_page_says_it_is() -> None:
    rows = pl.DataFrame({"place": ["é", None], "n": [1, 2], "x": [0.5, None]})
    parts = [b"2", b"\x1fplace\x1f", "é\x1f\x00\x1f".encode(), b"\x1fn\x1f", np.array([1, 2], "<i8").tobytes(),
             b"\x1fx\x1f", np.array([0.5, np.nan], "<f8").tobytes()]  # fmt: skip
    assert ledger.content(rows) == hashlib.sha256(b"".join(parts)).hexdigest()


@given(st.lists(st.tuples(st.text(max_size=5), st.floats(allow_nan=False)), min_size=2, max_size=6), st.data())
def test_any_changed_or_moved_value_changes_the_content(rows: list[tuple[str, float]], data: st.DataObject) -> None:
    frame = pl.DataFrame(rows, schema={"place": pl.String, "mean": pl.Float64}, orient="row")
    before = ledger.content(frame)
    assert ledger.content(frame.clone()) == before
    at = data.draw(st.integers(0, frame.height - 1))
    changed = [value + 1.0 if i == at and value + 1.0 != value else value for i, value in enumerate(frame["mean"])]
    if changed != frame["mean"].to_list():
        assert ledger.content(frame.with_columns(mean=pl.Series(changed))) != before
    assert ledger.content(frame.head(frame.height - 1)) != before
    assert ledger.content(frame.rename({"mean": "q50"})) != before


def test_each_entry_seals_the_one_before(lake) -> None:
    ledger.append(lake, P, [sealed("r0"), sealed("r1")], run="one", at=AT)
    ledger.append(lake, P, [sealed("r2")], run="two", at=AT + timedelta(minutes=1))
    rows = ledger.read(lake, P).to_dicts()
    assert [row["number"] for row in rows] == [1, 2, 3]
    assert [row["previous"] for row in rows] == [ledger.START, rows[0]["entry"], rows[1]["entry"]]
    assert all(row["entry"] == ledger.seal(row) for row in rows)
    fields = {"at": "2026-11-21T23:50:00.123456+00:00", "content": "c", "kind": "issued", "number": 1,
              "previous": ledger.START, "product": P, "rows": 3, "subject": rows[0]["subject"]}  # fmt: skip
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    assert rows[0]["entry"] == hashlib.sha256(text.encode()).hexdigest()


def test_products_have_chains_of_their_own(lake) -> None:
    ledger.append(lake, P, [sealed("r0")], run="one", at=AT)
    ledger.append(lake, "nyc_crashes", [sealed("r0")], run="one", at=AT)
    assert ledger.read(lake, "nyc_crashes")["previous"].to_list() == [ledger.START]


def test_a_set_of_forecasts_is_entered_once(lake, promised, at) -> None:
    for day, release in ((0, "r0"), (0, "r1"), (1, "r0")):
        forecasts.add(lake, P, promised(at(days=day), release=release), run="r", issued_at=AT)
    assert ledger.enter_issued(lake, P, run="r", at=AT, origins=[at(days=1)]) == 1
    assert ledger.enter_issued(lake, P, run="r", at=AT) == 2
    assert ledger.enter_issued(lake, P, run="r", at=AT) == 0
    sets = ledger.issued_sets(ledger.read(lake, P))
    assert sets.select("origin", "release", "rows").sort("origin", "release").rows() == [
        (at(), "r0", 72), (at(), "r1", 72), (at(days=1), "r0", 72),
    ]  # fmt: skip
    assert ledger.unentered(lake, P).is_empty()


def test_the_order_in_which_forecasts_were_written_is_no_part_of_their_content(lake, promised, at, tmp_path) -> None:
    from urbancast.lake import Lake

    other = Lake.open(tmp_path / "other")
    forecasts.add(lake, P, promised(at()), run="r", issued_at=AT)
    forecasts.add(other, P, promised(at()).sample(fraction=1.0, shuffle=True, seed=3), run="s", issued_at=AT)
    contents = []
    for each in (lake, other):
        ledger.enter_issued(each, P, run="r", at=AT)
        contents.append(ledger.read(each, P)["content"][0])
    assert contents[0] == contents[1]


def test_an_origin_keeps_its_microseconds(lake, promised, at) -> None:
    origin = at() + timedelta(microseconds=7)
    forecasts.add(lake, P, promised(origin), run="r", issued_at=AT)
    ledger.enter_issued(lake, P, run="r", at=AT)
    assert ledger.issued_sets(ledger.read(lake, P))["origin"].to_list() == [origin]
    assert ledger.unentered(lake, P).is_empty()


def test_a_digest_a_day_tells_where_the_chain_stood(lake) -> None:
    ledger.append(lake, P, [sealed("r0"), sealed("r1")], run="one", at=AT)
    ledger.append(lake, P, [sealed("d", "scored")], run="two", at=AT + timedelta(hours=1))
    rows = ledger.read(lake, P)
    told = dict(digests.read(lake, P))
    first, second = told[f"ledger/{P}/2026-11-21.json"], told[f"ledger/{P}/2026-11-22.json"]
    assert (first["number"], first["head"], first["entries"]) == (2, rows["entry"][1], 2)
    assert (second["number"], second["head"], second["first"]) == (3, rows["entry"][2], 3)
    assert second["sums"]["scored"] == {"entries": 1, "rows": 3}


def test_a_digest_that_a_killed_run_left_out_or_behind_is_made_good(lake) -> None:
    ledger.append(lake, P, [sealed("r0")], run="one", at=AT)
    name = digests.path(P, "2026-11-21")
    stale = lake.files.get(name)
    ledger.append(lake, P, [sealed("r1")], run="two", at=AT)
    whole = lake.files.get(name)
    lake.files.put(name, stale)
    assert digests.write(lake, P) == 1
    assert lake.files.get(name) == whole
    assert digests.write(lake, P) == 0
