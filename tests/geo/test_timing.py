from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from urbancast.core.errors import ContractError
from urbancast.geo import timing

NEW_YORK = ZoneInfo("America/New_York")
DEPARTURES = st.datetimes(datetime(2021, 1, 1), datetime(2022, 12, 31))


def driven(network, links, part, depart):
    """Drive link by link with a clock in hand."""
    now, entries, spent = depart.astimezone(UTC), [], []
    for link, share in zip(links, part, strict=True):
        local = now.astimezone(depart.tzinfo)
        day = max(0, local.weekday() - 4)
        seconds = float(network.seconds[day, local.hour, link]) * share
        entries.append((now - depart.astimezone(UTC)).total_seconds())
        spent.append(seconds)
        now += timedelta(seconds=seconds)
    return entries, spent


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), depart=DEPARTURES, slow=st.sampled_from([1.0, 30.0]))
def test_times_are_those_of_driving_with_a_clock_in_hand(town, seed, depart, slow):
    network = town(seed, side=3)
    random = np.random.default_rng(seed)
    links, part = random.integers(0, network.links, 40), slow * random.uniform(0.1, 1, 40)
    departs = timing.hours_after(depart.replace(tzinfo=NEW_YORK).astimezone(UTC).astimezone(NEW_YORK), 24)
    times = timing.read(network, links, part, departs)
    for row, one in enumerate(departs):
        entries, spent = driven(network, links, part, one)
        assert times.enter_s[row] == pytest.approx(entries, abs=1e-3)
        assert times.link_s[row] == pytest.approx(spent, abs=1e-3)
        assert times.seconds[row] == pytest.approx(sum(spent), abs=1e-3)


@pytest.mark.parametrize(
    ("depart", "hours"),
    [
        (datetime(2022, 3, 12, 23, 30), [23, 0, 1, 3, 4]),  # clocks go forward: no 02
        (datetime(2022, 11, 5, 23, 30), [23, 0, 1, 1, 2]),  # and back: 01 twice
    ],
)
def test_departures_of_a_day_of_the_clock_change_are_real_hours_apart(depart, hours):
    departs = timing.hours_after(depart.replace(tzinfo=NEW_YORK), 5)
    assert [one.hour for one in departs] == hours
    instants = [one.astimezone(UTC) for one in departs]
    assert {b - a for a, b in pairwise(instants)} == {timedelta(hours=1)}


def test_a_trip_into_the_hour_that_the_clock_skips_reads_the_hour_after(town):
    network = town(3, side=3)
    times = timing.read(
        network, np.array([0, 1]), np.array([4.0, 1.0]), [datetime(2022, 3, 13, 1, 59, 59, tzinfo=NEW_YORK)]
    )
    assert times.link_s[0].tolist() == pytest.approx([4 * network.seconds[2, 1, 0], network.seconds[2, 3, 1]])


@pytest.mark.parametrize(("day", "row"), [(4, 0), (5, 1), (6, 2), (7, 0)])
def test_fridays_saturdays_sundays_and_mondays_have_their_day_type(day, row):
    assert timing.slot(datetime(2022, 11, day, 13)) == row * 24 + 13


def test_a_departure_without_a_zone_is_refused(town):
    with pytest.raises(ContractError, match="expected a local time with its zone"):
        timing.read(town(1, side=3), np.array([0]), np.ones(1), [datetime(2022, 1, 1)])
