"""Findings: what was measured, turned into what a person should act on; pure rules with their numbers in the words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from urbancast.core.time import iso
from urbancast.monitoring.alerts import Found
from urbancast.monitoring.freshness import Freshness, Issued
from urbancast.monitoring.quality import Share
from urbancast.monitoring.reference import effective

GRAVE_MISSED = 3  # updates
DEBOUNCE = (2, 3)  # a signal has drifted on so many of so many judged days
KEPT_DAYS = 7  # an alert on drift ends when no day of as many says so any more
SHIFT = "level-shift"
NAMED_ALONE = 5  # sensors that die together beyond this are told in one word
LEAST_DAYS = 10  # effective, before coverage and skill are judged
COVERED = (0.75, 0.85)  # band in which 80 % ranges should hold, in the long run
Z_95 = 1.96
ROLLBACK_KEPT = timedelta(days=7)
FREE_LOW, FREE_LEAST = 2_000_000_000, 500_000_000  # bytes


def stale_sources(sources: Iterable[Freshness]) -> list[Found]:
    """A source whose updates are overdue."""
    found = []
    for one in sources:
        if not one.is_late:
            continue
        newest = iso(one.newest) if one.newest else "nothing"
        is_grave = one.is_required and one.missed_updates >= GRAVE_MISSED
        updates = "1 update" if one.missed_updates == 1 else f"{one.missed_updates} updates"
        due = f", the first due {iso(one.since)}" if one.since else ""
        found.append(
            Found(
                alert=f"stale-source:{one.source}",
                severity="critical" if is_grave else "warning" if one.is_required else "info",
                message=f"{one.source}: {updates} missed{due}; the newest is {newest}.",
            )
        )
    return found


def stale_forecast(issued: Issued | None) -> list[Found]:
    """Served forecasts that should have been followed by newer ones."""
    if issued is None or not issued.is_late:
        return []
    message = (
        f"The served forecasts are {issued.age_hours:.0f} hours old where one is issued every "
        f"{issued.expected_hours:.0f}: {max(1, issued.missed_issues)} missed."
    )
    return [
        Found(alert="stale-forecast", severity="critical" if issued.missed_issues >= 2 else "warning", message=message)
    ]


def failed_runs(runs: pl.DataFrame) -> list[Found]:
    """Flows whose newest finished step failed. ``runs``: flow, step, state, at, message."""
    ended = runs.with_columns(pl.col("state").cast(pl.String)).filter(pl.col("state") != "started").sort("at")
    found = []
    for row in ended.unique("flow", keep="last", maintain_order=True).sort("flow").iter_rows(named=True):
        if row["state"] == "failed":
            said = f"{row['flow']} failed at its step {row['step']!r} at {iso(row['at'])}: {row['message'][:300]}"
            grave = row["flow"] in ("pull", "forecast")
            found.append(
                Found(alert=f"failed-run:{row['flow']}", severity="critical" if grave else "warning", message=said)
            )
    return found


def missing_data(shares: Mapping[str, Share], refused: Share | None) -> list[Found]:
    """Days with fewer values than usual, pulls with more refused rows."""
    found = []
    for measure, one in shares.items():
        if one.is_high:
            lost = _percent(one.share, digits=1)
            said = f"{lost} of the {one.n:,} values of {measure} expected on {one.day} are missing"
            found.append(_share(f"missing-data:{measure}", one, f"{said}; usual are {_percent(one.usual, digits=1)}."))
    if refused is not None and refused.is_high:
        said = f"{_percent(refused.share, digits=1)} of the {refused.n:,} rows of the newest pull were quarantined"
        found.append(
            _share("missing-data:quarantine", refused, f"{said}; usual are {_percent(refused.usual, digits=1)}.")
        )
    return found


def _share(alert: str, one: Share, message: str) -> Found:
    return Found(alert=alert, severity="critical" if one.share > 0.5 else "warning", message=message)


def dead_sensors(rows: pl.DataFrame) -> list[Found]:
    """Sensors silent or frozen on the newest judged day. ``rows``: drift rows with place, signal, day, facts_hours."""
    if rows.height > NAMED_ALONE:
        names = ", ".join(rows["place"].head(NAMED_ALONE).to_list())
        said = f"{rows.height} places are silent or frozen at once, {names} among them: more like the source than they."
        return [Found(alert="dead-sensor", severity="critical", message=said)]
    words = {"silent": "has sent nothing", "zero": "has counted nothing", "frozen": "has repeated one value"}
    return [
        Found(
            alert=f"dead-sensor:{row['place']}",
            severity="warning",
            message=f"{row['place']} {words[row['signal']]} for {row['hours']:.0f} hours to the end of {row['day']}, "
            "longer than its own eight weeks make plausible.",
        )
        for row in rows.sort("place").iter_rows(named=True)
    ]


def drifted(rows: pl.DataFrame) -> list[Found]:
    """Signals of all places that drifted on enough of the last judged days. ``rows``: drift rows with place ""."""
    found = []
    for (measure, kind), part in rows.group_by("measure", "kind", maintain_order=True):
        by_signal = part.filter(pl.col("signal") != SHIFT).partition_by("signal", as_dict=True, maintain_order=True)
        moved = {str(name): one.sort("day") for (name,), one in by_signal.items() if _is_confirmed(one)}
        lately = {str(name): one.sort("day") for (name,), one in by_signal.items() if one["is_drifted"].any()}
        if not moved and not lately:
            continue
        subject = "/".join(filter(None, (str(measure), str(kind))))
        worst = max((one.row(-1, named=True) for one in (moved or lately).values()), key=lambda row: row["score"])
        said = f"{', '.join(sorted(moved or lately))} of {subject} moved away from the same hours of the weeks before"
        odds = f"score {worst['score']:.1f} against {worst['threshold']:.1f} on {worst['day']}"
        found.append(
            Found(alert=f"drift:{subject}", severity="warning", message=f"{said}: {odds}.", is_fading=not moved)
        )
    return found


def _is_confirmed(rows: pl.DataFrame) -> bool:
    """Whether a signal drifted on its newest judged day and on enough of those before."""
    enough, of = DEBOUNCE
    last = rows.sort("day").tail(of)["is_drifted"]
    return bool(last[-1]) and int(last.sum()) >= enough


def shifted(rows: pl.DataFrame, facts: Mapping[str, Mapping[str, object]]) -> list[Found]:
    """Groups of places that moved apart from the others. ``rows``: of level shifts; ``facts``: newest, by measure."""
    found = []
    for (measure,), part in rows.sort("measure", "day").group_by("measure", maintain_order=True):
        if not part["is_drifted"].any():
            continue
        said = facts.get(str(measure), {})
        places, change = said.get("places", []), said.get("change", 0.0)
        named = ", ".join(map(str, places[:6])) if isinstance(places, list) else ""
        share = f"about {_percent(change, is_signed=True)} " if isinstance(change, float) else ""
        message = (
            f"{said.get('units', '?')} places of {measure} moved {share}apart from the others in the last days to "
            f"{part['day'][-1]}: {named}."
        )
        fading = not part["is_drifted"][-1]
        found.append(Found(alert=f"level-shift:{measure}", severity="warning", message=message, is_fading=fading))
    return found


def coverage(days: pl.DataFrame, measure: str, kind: str) -> list[Found]:
    """80 % ranges that do not hold as often as they say. ``days``: day, n, hits_80 of one kind, thirty days."""
    share, half, count = _daily_share(days["hits_80"].to_numpy(), days["n"].to_numpy().astype(np.float64))
    low, high = COVERED
    if count < LEAST_DAYS or (low <= share + half and share - half <= high):
        return []
    held = f"{_percent(share)} ± {_percent(half)}"
    said = f"The 80 % range of {measure} held {held} of the time over {days.height} days ({kind})"
    grave = kind == "live" and share + half < low - 0.1  # nobody acted on a replay
    return [
        Found(
            alert=f"coverage:{measure}",
            severity="critical" if grave else "warning",
            message=f"{said}, worth {count:.0f} independent ones; {_percent(low)} to {_percent(high)} is in order.",
        )
    ]


def skill(days: pl.DataFrame, measure: str, kind: str, *, floor: float) -> list[Found]:
    """Served forecasts worse than their baseline. ``days``: day, n, loss, baseline of the rows both issued."""
    loss, baseline = days["loss"].to_numpy(), days["baseline"].to_numpy()
    if baseline.sum() <= 0:
        return []
    share, half, count = _daily_share(loss, baseline)
    value = 1 - share
    if count < LEAST_DAYS or value + half >= floor:
        return []
    so_far = f"{_percent(value, digits=1, is_signed=True)} ± {_percent(half, digits=1)}"
    said = f"Skill of {measure} over its baseline is {so_far} over {days.height} days ({kind})"
    message = f"{said}, worth {count:.0f} independent ones; the floor is {_percent(floor, is_signed=True)}."
    return [Found(alert=f"skill:{measure}", severity="warning", message=message)]


def _daily_share(part: np.ndarray, whole: np.ndarray) -> tuple[float, float, float]:
    """Share Σ part / Σ whole, half its 95 % interval by days, and as how many independent days they count."""
    total = float(whole.sum())
    if total <= 0 or len(whole) < 2:
        return 0.0, 1.0, 0.0
    share = float(part.sum()) / total
    rest = part - share * whole
    count = effective(rest)
    error = math.sqrt(float((rest**2).sum()) * len(rest) / max(1.0, count)) / total
    return share, Z_95 * error, count


def rolled_back(verdicts: pl.DataFrame, now: datetime) -> list[Found]:
    """Rollbacks of the last days. ``verdicts``: rows of the table."""
    rows = verdicts.with_columns(pl.col("action", "kind").cast(pl.String)).filter(
        pl.col("action") == "rolled_back",
        pl.col("kind") == "live",
        pl.col("decided_at").is_between(now - ROLLBACK_KEPT, now),
    )
    newest = rows.sort("decided_at").unique("measure", keep="last", maintain_order=True)
    return [
        Found(
            alert=f"rollback:{row['measure']}",
            severity="warning",
            message=f"{row['measure']} went back from {row['champion']} to {row['challenger']} at "
            f"{iso(row['decided_at'])}: {row['reason']}.",
        )
        for row in newest.iter_rows(named=True)
    ]


def corrupt(broken: Sequence[str]) -> list[Found]:
    """Served releases whose files are not what was frozen. ``broken``: release and file, in words."""
    return [
        Found(alert=f"corrupt-release:{name.partition(' ')[0]}", severity="critical", message=f"{name}.")
        for name in broken
    ]


def disk(free: int | None) -> list[Found]:
    """Little room left where the lake lies, in bytes; None where that is not known."""
    if free is None or free >= FREE_LOW:
        return []
    return [
        Found(
            alert="disk-full",
            severity="critical" if free < FREE_LEAST else "warning",
            message=f"{free / 1e9:.2f} GB are free where the lake lies.",
        )
    ]


def _percent(share: float, *, digits: int = 0, is_signed: bool = False) -> str:
    """A share as people write it: ``79 %``, ``+4.2 %``."""
    return f"{share * 100:{'+' if is_signed else ''}.{digits}f} %"
