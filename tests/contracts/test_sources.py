from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from urbancast import products
from urbancast.core.place import pair_id
from urbancast.core.product import COVERED, Observed, Window
from urbancast.core.tables import Observations
from urbancast.core.time import UTC_US, local_midnight
from urbancast.flows import probe

if TYPE_CHECKING:
    from conftest import City

    from urbancast.lake.store import Lake

OWN = Path(products.__file__).parent
FORMS = {"opendatasoft": ("parquet", "json", "csv"), "socrata": ("json", "csv"), "files": ("",), "open_meteo": ("",)}
CUTS = [
    datetime(2025, 10, 14, 3, tzinfo=UTC),
    datetime(2025, 10, 29, 8, tzinfo=UTC),
    datetime(2025, 11, 11, tzinfo=UTC),
]


def test_the_sample_reads_the_same_through_every_form_of_its_portal(city: City) -> None:
    source = city.counted
    frames = [
        city.fetch(source, **({"format": form} if form else {})).drop("_row").sort(pl.all())
        for form in FORMS[source.portal]
    ]
    assert frames[0].height > 1000
    for other in frames[1:]:
        assert_frame_equal(frames[0], other)


def test_a_portal_tells_when_it_last_changed_and_that_was_not_in_the_future(city: City, lake: Lake) -> None:
    with city.at_portal(lake) as job:
        told = probe.run(job)
    assert set(told) == {source.name for source in probe.told_of(city.recipe)}
    for source in probe.told_of(city.recipe):
        newest = city.fetch(source).select(city.published(source).max()).item()
        assert newest <= told[source.name] <= city.now


def test_weather_is_observed_and_issued_and_no_forecast_is_read_before_it_was_made(city: City) -> None:
    for source in (source for source in city.recipe.sources if source.role == "weather"):
        rows = city.fetch(source)
        assert rows.height > 100
        assert rows.schema.to_python().keys() >= source.schema.keys()
        assert (rows["available_at"] >= rows["issued_at"]).all()
        issued = rows.filter(pl.col("kind") == "issued")
        assert (issued["issued_at"] <= issued["time"]).all()
        assert issued.height > 0 or source.name == "weather"


def test_every_raw_row_has_exactly_one_fate(city: City) -> None:
    raw = city.raw()
    seen = city.observe(raw)
    out = dict(seen.quarantine.group_by("source").len().iter_rows())
    for name, rows in raw.items():
        assert seen.used[name] + out.get(name, 0) + seen.repeated[name] == rows.height
        assert seen.used[name] > 0


def test_the_same_rows_twice_are_repeated_and_change_nothing(city: City) -> None:
    once = city.raw()
    later = {name: rows.with_columns(pl.col("fetched_at") + timedelta(hours=1)) for name, rows in once.items()}
    twice = {name: pl.concat([once[name], later[name]]) for name in once}
    first, second = city.observe(once), city.observe(twice)
    assert_frame_equal(first.observations, second.observations)
    assert_frame_equal(first.quarantine, second.quarantine, check_row_order=False)
    for name, rows in once.items():
        assert second.used[name] == first.used[name]
        assert second.repeated[name] == first.repeated[name] + rows.height


def test_dirt_ends_in_quarantine_with_a_reason_that_the_card_explains(city: City) -> None:
    seen = city.observe(city.raw())
    assert seen.quarantine.height > 0
    assert seen.quarantine.null_count().pipe(lambda counts: sum(counts.row(0))) == 0
    assert seen.quarantine.select("source", "row", "rule").is_unique().all()
    card = (city.product.folder / "card.md").read_text(encoding="utf-8")
    for rule in seen.quarantine["rule"].unique():
        assert f"`{rule}`" in card
    assert seen.quarantine["row"].str.json_decode(pl.Struct([])).is_not_null().all()


def test_observations_obey_the_contract_of_their_table(city: City) -> None:
    seen = city.observe(city.raw()).observations
    whole = seen.with_columns(product=pl.lit(city.product.id), availability=pl.lit("declared"), run=pl.lit("test"))
    Observations.validate(whole, cast=True)
    assert seen.schema["time"] == UTC_US
    assert seen.schema["available_at"] == UTC_US
    named = {measure.id for measure in city.product.modelled}
    sparse = {measure.id for measure in city.product.measures if measure.sparse}
    assert set(seen["measure"].unique()) == named | ({COVERED} if sparse else set())
    known = {*city.context().places["place"], ""}
    if city.product.pairs is not None:  # an end may be unknown
        known = {pair_id(start, end) for start in known for end in known}
    assert set(seen["place"].unique()) <= known
    local = seen["time"].dt.convert_time_zone(city.product.tz)
    assert (local.dt.truncate(city.product.grain) == local).all()


@pytest.mark.parametrize("cut", CUTS)
def test_what_is_known_at_a_time_needs_nothing_published_later(
    city: City, cut: datetime, known_at: Callable[[Observed, datetime], pl.DataFrame]
) -> None:
    raw, cut = city.raw(), city.later(cut)
    sources = {source.name: source for source in city.recipe.sources}
    before = {name: rows.filter(city.published(sources[name]) <= cut) for name, rows in raw.items()}
    then, now = known_at(city.observe(before), cut), known_at(city.observe(raw), cut)
    assert then.height > 1000
    assert_frame_equal(then, now)


def test_a_later_fetch_changes_nothing_that_was_known_before_it(
    city: City, known_at: Callable[[Observed, datetime], pl.DataFrame]
) -> None:
    moments = city.moments
    fetches = [city.raw(now=moment) for moment in moments]
    first = city.observe(fetches[0])
    together = city.observe({name: pl.concat([fetch[name] for fetch in fetches]) for name in fetches[0]})
    assert_frame_equal(known_at(first, moments[0]), known_at(together, moments[0]))
    corrected = together.observations.filter(pl.col("available_at").is_in(moments[1:]))
    assert corrected.height > 0 or OWN not in city.product.folder.parents  # elsewhere a source may never correct itself


def test_windows_of_the_sample_hold_the_same_rows_however_they_are_cut(
    datasets: list[dict[str, Any]], city: City
) -> None:
    start = datetime(2025, 10, 24, 5, tzinfo=UTC)
    cuts = [start + timedelta(hours=h) for h in (0, 7, 31, 32, 80, 200)]
    for dataset in datasets:
        whole = dataset["rows"](Window(start=cuts[0], end=cuts[-1]))
        parts = [dataset["rows"](Window(start=a, end=b)) for a, b in pairwise(cuts)]
        assert whole.height > 0
        if dataset["protocol"] == "file" and dataset.get("time") is None:  # a table without time is whole each time
            assert all(part.equals(whole) for part in parts)
            continue
        assert sorted(whole.write_ndjson().splitlines()) == sorted(pl.concat(parts).write_ndjson().splitlines())
        again = city_datasets(city)[dataset["id"]]["rows"](Window(start=cuts[0], end=cuts[-1]))
        assert_frame_equal(whole, again)


def test_another_seed_is_another_city(city: City) -> None:
    window = Window(start=datetime(2025, 6, 1, tzinfo=UTC), end=datetime(2025, 6, 8, tzinfo=UTC))
    one, other = (products.sample(city.product.id).datasets(seed=seed)[0]["rows"](window) for seed in (1, 2))
    assert one.write_ndjson() != other.write_ndjson()


def city_datasets(city: City) -> dict[str, dict[str, Any]]:
    return {dataset["id"]: dataset for dataset in products.sample(city.product.id).datasets()}


def test_publication_follows_the_local_clock_through_both_changes_of_it(city: City) -> None:
    source = city.counted
    hours = pl.DataFrame(
        {"time": pl.datetime_range(datetime(2025, 1, 1), datetime(2026, 1, 1), "1h", eager=True)},
    ).with_columns(pl.col("time").dt.cast_time_unit("us").dt.replace_time_zone("UTC"))
    clock = pl.col("time").dt.convert_time_zone(city.product.tz)
    ends = clock.dt.truncate(city.product.grain).dt.offset_by(city.product.grain).dt.convert_time_zone("UTC")
    local = hours.select(
        day=clock.dt.date(),
        then=city.published(source).dt.convert_time_zone(city.product.tz),
        late=city.published(source) - ends,
    )
    assert (local["late"] >= timedelta(0)).all()
    if local["late"].n_unique() > 1:  # not so long after each interval's end: at one time of the local day
        assert local["then"].dt.time().n_unique() == 1
        of_day = local.group_by("day", maintain_order=True).agg(
            pl.col("then").n_unique().alias("n"), pl.col("then").first()
        )
        assert (of_day["n"] == 1).all()
        assert of_day["then"].is_sorted()
    lengths = set(local.group_by("day").len()["len"])
    moves = {local_midnight(date(2025, month, 1), city.product.tz).hour for month in (1, 7)}
    assert lengths >= ({23, 24, 25} if len(moves) > 1 else {24})
