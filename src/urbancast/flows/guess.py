"""What the columns of somebody's table mean: place, time, value, grain and time zone, and what is not sure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

import polars as pl

from urbancast.core.errors import QueryError
from urbancast.flows import clocks
from urbancast.products import instants

Kind = Literal["count", "amount"]
Ask = Callable[[str, Sequence[str]], str]  # what is asked, choices → the answer; raises where nobody can be asked
GRAINS = {"15m": 15, "30m": 30, "1h": 60, "1d": 1440}
_TIME = ("time", "date", "hour", "stamp", "fecha", "heure", "jour", "datum", "zeit", "day", "interval")
_PLACE = ("place", "site", "station", "counter", "sensor", "location", "zone", "area", "name", "id", "code", "lugar")
_VALUE = ("count", "value", "total", "sum", "number", "volume", "trips", "rides", "bikes", "flow", "occupancy", "n")
_LAT, _LON = ("lat", "latitude", "y"), ("lon", "lng", "long", "longitude", "x")
PROBE = 200_000


@dataclass(frozen=True, kw_only=True)
class Guess:
    """Columns by meaning (``place`` None: one place), how times are written, and the panel's grain and time zone.

    ``is_mean``: several rows of one interval are averaged (readings), else summed (counts).
    ``notes``: what was concluded from what, for the reader.
    """

    place: str | None
    time: str
    value: str
    lat: str | None = None
    lon: str | None = None
    form: str
    tz: str
    grain: str
    kind: Kind
    is_mean: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the asker has settled already; None: guess it."""

    place: str | None = None
    time: str | None = None
    value: str | None = None
    lat: str | None = None
    lon: str | None = None
    grain: str | None = None
    tz: str | None = None


def refuse(question: str, choices: Sequence[str]) -> str:
    """Nobody to ask: QueryError that names the flag which settles it."""
    flag, _, what = question.partition(": ")
    raise QueryError(
        "not-sure",
        expected=what,
        found=", ".join(choices) or "nothing that could be it",
        action=f"settle it with {flag}",
    )


def guess(rows: pl.DataFrame, given: Given, *, ask: Ask = refuse) -> Guess:
    """Meaning of a table's columns; what is not clear is asked, or refused with the flag that settles it."""
    _require(rows, given)
    probe = rows.head(PROBE)
    time, form = _time(probe, given.time, ask)
    lat, lon = _position(probe, given)
    taken = {time, lat, lon}
    place = given.place or _place(probe, time, form, taken | {given.value}, ask)
    value = given.value or _value(probe, taken | {place}, ask)
    tz, told = (given.tz, "") if given.tz else _zone(probe, time, form, ask)
    tz = clocks.known(tz)
    at = instants.read(probe[time], form, tz)
    grain = given.grain or _grain(probe, at, place, ask)
    number = numbers(probe[value])
    is_count = bool((number.drop_nulls() == number.drop_nulls().round()).all())
    found = Guess(
        place=place, time=time, value=value, lat=lat, lon=lon, form=form, tz=tz, grain=grain,
        kind="count" if is_count else "amount", is_mean=not is_count,
    )  # fmt: skip
    return replace(found, notes=tuple(filter(None, (_told(found), told))))


def numbers(values: pl.Series) -> pl.Series:
    """Values as numbers, decimal commas read; null where they are none."""
    if values.dtype.is_numeric():
        return values.cast(pl.Float64)
    text = values.cast(pl.String).str.strip_chars().str.replace(",", ".", literal=True)
    return text.cast(pl.Float64, strict=False)


def _require(rows: pl.DataFrame, given: Given) -> None:
    """Refuse an empty table, and names that are none of its columns."""
    if rows.height < 2 or rows.width < 2:
        raise QueryError("empty-table", expected="a table of at least two rows and two columns",
                         found=f"{rows.height} rows, {rows.width} columns", action="check the file")  # fmt: skip
    for flag in ("place", "time", "value", "lat", "lon"):
        name = getattr(given, flag)
        if name is not None and name not in rows.columns:
            raise QueryError("unknown-column", expected=f"a column: {', '.join(rows.columns)}", found=repr(name),
                             action=f"correct --{flag}")  # fmt: skip
    if given.grain is not None and given.grain not in GRAINS:
        raise QueryError("unknown-grain", expected=f"one of {', '.join(GRAINS)}", found=repr(given.grain),
                         action="correct --grain")  # fmt: skip


def _time(rows: pl.DataFrame, given: str | None, ask: Ask) -> tuple[str, str]:
    """Time column and the form of its texts."""
    forms = {name: instants.fits(rows[name]) for name in ([given] if given else rows.columns)}
    fitting = {name: found for name, found in forms.items() if found}
    if given and not fitting:
        raise QueryError("unreadable-time", expected="times such as 2021-07-12 18:00", found=repr(str(rows[given][0])),
                         action="name another column with --time, or write the times as ISO 8601")  # fmt: skip
    name = _pick("--time: the column of times", _best(list(fitting), _TIME), ask)
    choices = fitting[name]
    if len({str(instants.naive(_texts(rows[name]), form).to_list()) for form in choices[:4]}) > 1:
        both = [form for form in choices if form != instants.TYPED]
        return name, _pick("--time: the order of day and month", both, ask, is_form=True)
    return name, choices[0]


def _texts(values: pl.Series) -> pl.Series:
    return values.head(200).cast(pl.String).str.strip_chars().str.replace("Z$", "+00:00")


def _position(rows: pl.DataFrame, given: Given) -> tuple[str | None, str | None]:
    """Columns of latitude and longitude, by name and range; none of them where one is missing."""
    lat = given.lat or _in_range(rows, _LAT, 90)
    lon = given.lon or _in_range(rows, _LON, 180)
    return (lat, lon) if lat and lon else (None, None)


def _in_range(rows: pl.DataFrame, names: tuple[str, ...], most: float) -> str | None:
    for column in rows.columns:
        if column.casefold() in names or column.casefold().startswith(names[1]):
            number = numbers(rows[column]).drop_nulls()
            if len(number) and float(number.abs().max()) <= most:  # type: ignore[arg-type]
                return column
    return None


def _place(rows: pl.DataFrame, time: str, form: str, taken: set[str | None], ask: Ask) -> str | None:
    """Column with which a time is said once; None where times alone are."""
    if rows[time].n_unique() > 0.98 * rows.height:
        return None
    found = [
        (rows.select(pl.struct(time, name).n_unique()).item() / rows.height, name)
        for name in rows.columns
        if name not in taken
        and 1 < rows[name].n_unique() <= max(2, rows.height // 5)
        and not rows[name].dtype.is_float()
    ]
    best = max((share for share, _ in found), default=0.0)
    likely = [name for share, name in found if share >= best - 0.01]
    same = {name for name in likely[1:] if _is_one_to_one(rows, likely[0], name)}
    return _pick("--place: the column of places", _best([n for n in likely if n not in same], _PLACE), ask)


def _is_one_to_one(rows: pl.DataFrame, one: str, other: str) -> bool:
    pairs = rows.select(pl.struct(one, other).n_unique()).item()
    return bool(pairs == rows[one].n_unique() == rows[other].n_unique())


def _value(rows: pl.DataFrame, taken: set[str | None], ask: Ask) -> str:
    """Column of numbers that vary."""
    numeric = [
        name
        for name in rows.columns
        if name not in taken and numbers(rows[name]).null_count() <= 0.2 * rows.height and rows[name].n_unique() > 2
    ]
    return _pick("--value: the column of values", _best(numeric, _VALUE), ask)


def _zone(rows: pl.DataFrame, time: str, form: str, ask: Ask) -> tuple[str, str]:
    likely = clocks.likely(rows[time], form)
    if len(likely.zones) >= 1 and likely.is_sure:
        return likely.zones[0], likely.reason
    return _pick("--tz: the time zone of the place", list(likely.zones), ask, is_form=True), likely.reason


def _grain(rows: pl.DataFrame, at: pl.Series, place: str | None, ask: Ask) -> str:
    """Smallest grain that holds the usual step between a place's times."""
    keyed = pl.DataFrame({"at": at, "place": rows[place] if place else ["all"] * rows.height}).drop_nulls().unique()
    steps = keyed.sort("place", "at").select(step=pl.col("at").diff().over("place")).drop_nulls()
    usual = steps["step"].mode().sort()
    if not len(usual):
        return _pick("--grain: the length of an interval", list(GRAINS), ask, is_form=True)
    minutes = usual[0] / timedelta(minutes=1)
    fitting = [name for name, length in GRAINS.items() if length >= minutes * 0.99]
    if not fitting or minutes > GRAINS["1d"] * 1.01:
        raise QueryError("too-coarse", expected="values at least once a day", found=f"one every {usual[0]}",
                         action="give a finer table")  # fmt: skip
    return fitting[0]


def _best(names: list[str], hints: tuple[str, ...]) -> list[str]:
    """Names whose words hint at the meaning, best hint first; all of them where none does."""
    for hint in hints:
        found = [name for name in names if hint == name.casefold()]
        if found:
            return found[:1]
    hinted = [name for name in names if any(len(hint) > 2 and hint in name.casefold() for hint in hints)]
    return hinted if len(hinted) == 1 else names


def _pick(question: str, choices: list[str], ask: Ask, *, is_form: bool = False) -> str:
    if len(choices) == 1 and not is_form:
        return choices[0]
    return ask(question, choices)


def _told(found: Guess) -> str:
    what = "averaged" if found.is_mean else "summed"
    names: Mapping[str, str | None] = {"place": found.place or "one place", "time": found.time, "value": found.value}
    columns = ", ".join(f"{meaning} = {name}" for meaning, name in names.items())
    return f"{columns}; {found.grain} intervals, rows of one interval {what}; clock of {found.tz}"
