from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import polars as pl
import pytest
from hypothesis import given, strategies as st
from polars.testing import assert_frame_equal

from urbancast.core.errors import ContractError
from urbancast.core.product import ObserveContext, Observed
from urbancast.portals import layouts
from urbancast.products.madrid_parking.observe import observe, published
from urbancast.products.madrid_parking.recipe import TICKETS
from urbancast.products.madrid_parking.regulated import is_open

Read = Callable[..., Any]
WRITTEN = "%Y-%m-%d %H:%M:%S"


def ticket(start: str, end: str, **said: Any) -> dict[str, Any]:
    """One native ticket; Palacio, green, unless said otherwise."""
    return {
        "matricula_parquimetro": "0301110056",
        "fecha_operacion": start,
        "fecha_inicio": start,
        "fecha_fin": end,
        "cod_distrito": "01",
        "distrito": "CENTRO",
        "cod_barrio": "01-01",
        "barrio": "PALACIO",
        "tipo_zona": "VERDE",
        "distintivo": "C",
        "minutos_tique": "60",
        "importe_tique": "1,20",
        **said,
    }


def test_a_ticket_counts_for_the_minutes_of_each_hour_it_touches(observed: Read, paid: Read) -> None:
    seen = observed(ticket("2024-03-06 09:45:00", "2024-03-06 11:30:00"))
    assert paid(seen) == {"2024-03-06 09": 0.25, "2024-03-06 10": 1.0, "2024-03-06 11": 0.5}


def test_overnight_and_over_a_weekend_only_regulated_minutes_count(observed: Read, paid: Read) -> None:
    night = observed(
        ticket("2024-03-06 20:30:00", "2024-03-07 09:15:00"), ticket("2024-03-07 12:00:00", "2024-03-07 12:30:00")
    )
    assert paid(night) == {"2024-03-06 20": 0.5, "2024-03-07 09": 0.25, "2024-03-07 12": 0.5}
    weekend = observed(
        ticket("2024-03-09 14:45:00", "2024-03-11 10:00:00"), ticket("2024-03-11 12:00:00", "2024-03-11 12:30:00")
    )
    assert paid(weekend) == {"2024-03-09 14": 0.25, "2024-03-11 09": 1.0, "2024-03-11 12": 0.5}


def test_august_saturdays_and_holidays_are_clipped(observed: Read, paid: Read) -> None:
    at = datetime(2024, 9, 1, tzinfo=UTC)
    august = observed(ticket("2024-08-07 14:30:00", "2024-08-07 16:00:00"), fetched_at=at)
    assert paid(august) == {"2024-08-07 14": 0.5}
    assert august.observations["time"].n_unique() == 6
    saturday = observed(ticket("2024-03-09 14:30:00", "2024-03-09 16:00:00"))
    assert paid(saturday) == {"2024-03-09 14": 0.5}
    holiday = observed(ticket("2024-05-15 10:00:00", "2024-05-15 11:00:00"), fetched_at=at)
    assert holiday.used == {"tickets": 1}
    assert holiday.observations.is_empty()


def test_zero_in_a_covered_regulated_hour_is_a_true_zero_and_closed_hours_have_no_rows(
    observed: Read, context: ObserveContext
) -> None:
    seen = observed(ticket("2024-03-06 09:45:00", "2024-03-06 10:00:00")).observations
    assert seen.height == 12 * 3 * context.places["place"].n_unique()
    assert is_open(seen["time"]).all()
    assert seen["value"].sum() == pytest.approx(0.5)  # paid and green
    assert seen["value"].null_count() == 0


def test_colours_are_apart_and_all_of_them_are_paid(observed: Read, paid: Read) -> None:
    times = ("2024-03-06 10:00:00", "2024-03-06 11:00:00")
    seen = observed(*(ticket(*times, tipo_zona=zone) for zone in ("VERDE", "077214010 Verde", "Azul", "ALTA ROTACION")))
    assert paid(seen) == {"2024-03-06 10": 4.0}
    assert paid(seen, measure="green") == {"2024-03-06 10": 2.0}
    assert paid(seen, measure="blue") == {"2024-03-06 10": 1.0}


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ({"barrio": "ELO MONITORIZACION 1", "cod_barrio": ""}, "test_barrio"),
        ({"barrio": "TALLER DEVAS"}, "test_barrio"),
        ({"barrio": "Test Parkare"}, "test_barrio"),
        ({"fecha_fin": ""}, "no_time"),
        ({"fecha_inicio": "2019-12-31 10:00:00", "fecha_fin": "2019-12-31 11:00:00"}, "before_2020"),
        ({"fecha_inicio": "2033-01-10 10:00:00", "fecha_fin": "2033-01-10 11:00:00"}, "in_future"),
        ({"fecha_inicio": "9998-01-10 10:00:00", "fecha_fin": "9998-01-10 11:00:00"}, "in_future"),
        ({"fecha_fin": "2024-03-06 10:00:00"}, "not_after_start"),
        ({"fecha_fin": "2024-03-06 09:00:00"}, "not_after_start"),
        ({"fecha_fin": "2024-03-09 10:00:00"}, "several_days"),
        ({"fecha_fin": "2024-03-07 19:00:00"}, "several_days"),
        ({"cod_barrio": "", "cod_distrito": "", "barrio": "SIN BARRIO"}, "unknown_barrio"),
        ({"cod_barrio": "20-01", "barrio": "SIMANCAS"}, "unknown_barrio"),
    ],
)
def test_dirt_is_kept_out_by_name(observed: Read, said: dict[str, str], rule: str) -> None:
    seen = observed(ticket("2024-03-06 10:00:00", "2024-03-06 11:00:00", **said))
    assert seen.quarantine["rule"].to_list() == [rule]
    assert seen.used == {"tickets": 0}
    assert seen.observations.is_empty()


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"cod_barrio": "", "cod_distrito": "", "barrio": "EL PILAR"}, "08-04"),
        ({"cod_barrio": "", "cod_distrito": "", "barrio": "pilar"}, "08-04"),
        ({"cod_barrio": "", "cod_distrito": "", "barrio": "LOS CÁRMENES"}, "10-01"),
        ({"cod_barrio": "", "cod_distrito": "", "barrio": "NIÑO JESUS"}, "03-06"),
        ({"cod_barrio": "", "cod_distrito": "", "barrio": "15-07 COLINA"}, "15-07"),
        ({"cod_barrio": "13", "cod_distrito": "1", "barrio": ""}, "01-03"),
        ({"cod_barrio": "3", "cod_distrito": "01", "barrio": ""}, "01-03"),
        ({"cod_barrio": "157", "cod_distrito": "15", "barrio": ""}, "15-07"),
    ],
)
def test_a_neighbourhood_is_known_in_any_spelling(observed: Read, paid: Read, said: dict[str, str], place: str) -> None:
    seen = observed(ticket("2024-03-06 10:00:00", "2024-03-06 11:00:00", **said))
    assert paid(seen, place=place) == {"2024-03-06 10": 1.0}


def test_a_repeated_ticket_counts_once_over_pages_too(canonical: Read, context: ObserveContext, paid: Read) -> None:
    one, other = (ticket(f"2024-03-06 {h}:00:00", f"2024-03-06 {h}:30:00") for h in (10, 11))
    pages = [canonical(one, one, other), canonical(other, one)]
    seen = observe({"tickets": iter(pages)}, context)
    assert (seen.used["tickets"], seen.repeated["tickets"]) == (2, 3)
    assert paid(seen) == {"2024-03-06 10": 0.5, "2024-03-06 11": 0.5}


def test_however_pages_are_cut_the_observations_are_the_same(canonical: Read, context: ObserveContext) -> None:
    rows = [ticket(f"2024-03-0{d} {h}:10:00", f"2024-03-0{d} {h + 2}:05:00") for d in (4, 5, 6) for h in range(9, 19)]
    whole = canonical(*rows, rows[3])
    one = observe({"tickets": whole}, context)
    many = observe({"tickets": (whole[i : i + 4] for i in range(0, whole.height, 4))}, context)
    assert_frame_equal(one.observations, many.observations)
    assert (one.used, one.repeated) == (many.used, many.repeated)


def test_a_page_that_cannot_be_read_stops_the_count_with_its_own_error(
    canonical: Read, context: ObserveContext
) -> None:
    def pages() -> Iterator[pl.DataFrame]:
        yield canonical(ticket("2024-03-06 10:00:00", "2024-03-06 11:00:00"))
        raise ContractError("tickets: no such layout")

    with pytest.raises(ContractError, match="no such layout"):
        observe({"tickets": pages()}, context)


def test_a_file_sent_again_revises_only_what_it_changes(canonical: Read, context: ObserveContext) -> None:
    early, late = (
        ticket("2024-03-06 10:00:00", "2024-03-06 11:00:00"),
        ticket("2024-03-06 15:00:00", "2024-03-06 15:30:00"),
    )
    again = datetime(2024, 7, 1, tzinfo=UTC)
    pages = [canonical(early), canonical(early, late, fetched_at=again)]
    seen = observe({"tickets": iter(pages)}, context)
    assert (seen.used["tickets"], seen.repeated["tickets"]) == (2, 1)
    revised = seen.observations.filter(pl.col("available_at") == again)
    assert revised.select("place", "measure", "value").rows() == [("01-01", "green", 0.5), ("01-01", "paid", 0.5)]
    first = seen.observations.filter(pl.col("available_at") != again)
    assert first["available_at"].unique().to_list() == [datetime(2024, 5, 30, 22, tzinfo=UTC)]


def test_what_runs_on_into_a_day_not_published_yet_waits_for_it(observed: Read) -> None:
    seen = observed(ticket("2024-03-30 14:30:00", "2024-04-01 10:00:00"), fetched_at=datetime(2024, 5, 1, tzinfo=UTC))
    assert seen.used == {"tickets": 1}
    assert seen.observations["time"].max() == datetime(2024, 3, 30, 13, tzinfo=UTC)
    assert seen.notes["regulated_ticket_hours"] == pytest.approx(1.5)


_MINUTES = st.integers(-30, 40 * 24 * 60)


@given(
    st.lists(
        st.tuples(st.datetimes(datetime(2023, 3, 20), datetime(2024, 11, 10)), _MINUTES, st.integers(0, 59)),
        min_size=1,
        max_size=12,
    )
)
def test_paid_time_is_regulated_ticket_time_to_the_second(
    context: ObserveContext, rows: list[tuple[datetime, int, int]]
) -> None:
    spans = [(s.replace(microsecond=0), s.replace(microsecond=0) + timedelta(minutes=m, seconds=x)) for s, m, x in rows]
    native = pl.DataFrame([ticket(s.strftime(WRITTEN), e.strftime(WRITTEN)) for s, e in spans])
    seen = observe({"tickets": layouts.parse_frame(TICKETS, native)}, context)
    assert seen.used["tickets"] + seen.repeated["tickets"] + seen.quarantine.height == len(rows)
    kept = _kept(spans, seen)
    assert round(seen.notes["paid_hours"] * 3600) == sum(_regulated_s(s, e) for s, e in kept)
    assert seen.notes["paid_hours"] == seen.notes["regulated_ticket_hours"]
    covered = {s.date() for s, _ in kept}
    told = seen.observations.filter(pl.col("measure") == "paid")["value"].sum() * 3600
    assert round(told) == sum(_regulated_s(s, e, covered) for s, e in kept)
    assert seen.observations.is_empty() or seen.observations["value"].min() >= 0


def _kept(spans: list[tuple[datetime, datetime]], seen: Observed) -> list[tuple[datetime, datetime]]:
    """Distinct tickets that were not kept out."""
    said = [
        pl.col("row").str.json_path_match(f"$.{name}").str.slice(0, 19).str.replace("T", " ").alias(name)
        for name in ("start", "end")
    ]
    out = set(seen.quarantine.select(said).iter_rows())
    return [(s, e) for s, e in dict.fromkeys(spans) if (s.isoformat(" "), e.isoformat(" ")) not in out]


@cache
def _open_hours() -> frozenset[datetime]:
    """Local hours that are open, of the days that examples touch."""
    span = (datetime(2023, 3, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC))
    hours = pl.datetime_range(*span, "1h", time_unit="us", eager=True).alias("time")
    local = hours.filter(is_open(hours)).dt.convert_time_zone("Europe/Madrid").dt.replace_time_zone(None)
    return frozenset(local.to_list())


def _regulated_s(start: datetime, end: datetime, days: set[Any] | None = None) -> int:
    """Regulated seconds hour by hour: slow, and by another road."""
    total, at = 0, start.replace(minute=0, second=0)
    while at < end:
        if at in _open_hours() and (days is None or at.date() in days):
            total += int((min(end, at + timedelta(hours=1)) - max(start, at)).total_seconds())
        at += timedelta(hours=1)
    return total


def test_publication_is_sixty_days_after_the_quarter_in_the_city() -> None:
    hours = pl.DataFrame({"time": [datetime(2024, 3, 31, 21, tzinfo=UTC), datetime(2024, 3, 31, 22, tzinfo=UTC)]})
    found = hours.select(at=published(pl.col("time").dt.cast_time_unit("us")))["at"].to_list()
    assert found == [
        datetime(2024, 5, 30, 22, tzinfo=UTC),
        datetime(2024, 8, 29, 22, tzinfo=UTC),
    ]
