"""How each product stands: what serves, what runs, what is late, what a person should act on. Reads the lake alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from urbancast.core.product import Product
from urbancast.core.time import iso
from urbancast.lake import alerts, requests, runs
from urbancast.lake.kept import Look
from urbancast.monitoring import champions, lineage

RECENT = timedelta(days=30)
RENEWED_WITHIN = timedelta(hours=1)
SHOWN_RUNS, SHOWN_SIGNALS, SHOWN_REPORTS = 25, 40, 5
LATE_AFTER = timedelta(hours=36)
WORST = ("critical", "warning", "waiting", "ok")
_FRESH = ("source", "rhythm_hours", "newest", "missed_updates", "is_late", "since", "has_ended")
_SEVERITIES = ("critical", "warning", "info")


def every(look: Look, products: Mapping[str, Product], *, now: datetime) -> list[dict[str, Any]]:
    """Standing of all products, the worst first."""
    held = leases(look)
    found = [of(look, product, held.get(name), now=now) for name, product in products.items()]
    return sorted(found, key=lambda one: WORST.index(one["state"]))


def of(look: Look, product: Product, lease: Mapping[str, Any] | None, *, now: datetime) -> dict[str, Any]:
    """Standing of one product; ``lease`` as by `leases`, ``now`` the wall clock."""
    ran = recent_runs(look, product.id, lease, now=now)
    open_alerts = alerts_of(look, product.id)
    serving = champions.serving_of(look, product, now=now)
    late = freshness(look, product.id, now=now)
    asked = look.get(f"requests:{product.id}", ("requests",), lambda: requests.read(look.lake, product.id))
    return {
        "product": product.id,
        "city": product.city,
        "verb": product.verb,
        "tz": product.tz,
        "state": _state(serving, open_alerts, ran, late),
        "is_paused": requests.was_paused(asked),
        "doing": doing(look, product.id, lease, now=now),
        "serving": serving,
        "choices": champions.choices(look, product.id),
        "freshness": late,
        "retraining": retraining(look, product.id, now=now),
        "alerts": open_alerts,
        "verdicts": champions.decisions(look, product.id),
        "drift": drift(look, product.id),
        "reports": reports(look, product.id, now=now),
        "runs": [run_entry(row) for row in ran.head(SHOWN_RUNS).iter_rows(named=True)],
        "requests": [
            {**each, "at": iso(each["at"]), "asked_at": iso(each["asked_at"])}
            for each in requests.outcomes(asked, limit=20)
        ],
    }


def leases(look: Look) -> dict[str, dict[str, Any]]:
    """Leases in force by product: who writes its rows now. By the wall clock, as leases are."""
    now = datetime.now(UTC)
    rows = look.get(
        "leases", ("leases",), lambda: look.lake.scan("leases", since=now - RENEWED_WITHIN, by="at").collect()
    )
    newest = rows.sort("token", "at").unique("product", keep="last", maintain_order=True)
    in_force = newest.filter((pl.col("state").cast(pl.String) == "held") & (pl.col("until") > now))
    found = {}
    for row in in_force.sort("product").iter_rows(named=True):
        who = json.loads(row["holder"])
        found[row["product"]] = {
            "product": row["product"],
            "token": row["token"],
            "by": f"process {who['pid']} on {who['host']}",
            "since": datetime.fromtimestamp(who["started"], UTC),
            "until": row["until"],
        }
    return found


def told_lease(lease: Mapping[str, Any]) -> dict[str, Any]:
    """A lease with its instants as texts."""
    return {**lease, "since": iso(lease["since"].replace(microsecond=0)), "until": iso(lease["until"])}


def recent_steps(look: Look, product: str, *, now: datetime) -> pl.DataFrame:
    """Steps of the last month as by `runs.steps`, oldest first."""
    return look.get(
        f"steps:{product}", ("runs",), lambda: runs.steps(runs.read(look.lake, product, since=now - RECENT))
    )


def recent_runs(look: Look, product: str, lease: Mapping[str, Any] | None, *, now: datetime) -> pl.DataFrame:
    """Runs of the last month as by `runs.entries`, newest first."""
    return entries(recent_steps(look, product, now=now), product, lease)


def entries(steps: pl.DataFrame, product: str, lease: Mapping[str, Any] | None) -> pl.DataFrame:
    """Runs of a product's steps, told apart by its lease: at work, or stopped without a word."""
    return runs.entries(steps, held_since={product: lease["since"]} if lease else {})


def run_entry(row: Mapping[str, Any]) -> dict[str, Any]:
    """A run as the payload says it."""
    names = ("run", "flow", "state", "steps", "tries", "message")
    return {
        **{name: row[name] for name in names},
        "started": iso(row["started"]),
        "ended": iso(row["ended"]) if row["ended"] else None,
        "seconds": round(row["seconds"], 3),
    }


def doing(look: Look, product: str, lease: Mapping[str, Any] | None, *, now: datetime) -> dict[str, Any] | None:
    """The step at work now and since when, where a run holds the product; None where none does."""
    if lease is None:
        return None
    steps = recent_steps(look, product, now=now)
    at_work = steps.filter((pl.col("state") == "started") & (pl.col("started") >= lease["since"])).tail(1).to_dicts()
    step = at_work[0] if at_work else {"flow": None, "step": None, "started": lease["since"].replace(microsecond=0)}
    return {"flow": step["flow"], "step": step["step"], "since": iso(step["started"]), "by": lease["by"]}


def alerts_of(look: Look, product: str) -> list[dict[str, Any]]:
    """Open alerts of a product, the gravest first, each with its runbook."""
    rows = look.get("alerts", ("alerts",), lambda: alerts.current(look.lake)).filter(pl.col("product") == product)
    names = ("alert", "severity", "message", "action", "run")
    found = [
        {
            **{name: row[name] for name in names},
            "since": iso(row["since"]),
            "runbook": f"/runbooks/{kind(row['alert'])}",
        }
        for row in rows.sort("since").iter_rows(named=True)
    ]
    return sorted(found, key=lambda one: _SEVERITIES.index(one["severity"]))


def kind(alert: str) -> str:
    """Kind of an alert by its id: ``KIND`` or ``KIND:subject``."""
    return alert.partition(":")[0]


def drift(look: Look, product: str) -> list[dict[str, Any]]:
    """Signals of the newest day watched, the furthest beyond its threshold first."""

    def build() -> pl.DataFrame:
        rows = look.lake.scan("drift", product=product)
        newest = rows.filter(pl.col("day") == pl.col("day").max().over("product", "measure", "kind"))
        return newest.with_columns(share=pl.col("score") / pl.col("threshold")).collect()

    rows = look.get(f"drift:{product}", ("drift",), build)
    ordered = rows.sort("is_drifted", "share", descending=True, nulls_last=True).head(SHOWN_SIGNALS)
    names = ("measure", "kind", "signal", "place", "score", "threshold", "is_drifted", "n")
    return [
        {
            **{name: row[name] for name in names},
            "facts": json.loads(row["facts"] or "{}"),
            "day": row["day"].isoformat(),
        }
        for row in ordered.iter_rows(named=True)
    ]


def reports(look: Look, product: str, *, now: datetime) -> list[dict[str, Any]]:
    """Pages on drift written by whoever asked for them, the newest first: the day they speak of, and where they are."""
    written = recent_steps(look, product, now=now).filter(
        (pl.col("flow") == "report") & (pl.col("step") == "drift") & (pl.col("state") == "done")
    )
    days = dict.fromkeys(str(json.loads(facts)["path"]).split("/")[-2] for facts in reversed(written["facts"]))
    return [{"day": day, "url": f"/v1/operations/{product}/reports/{day}"} for day in list(days)[:SHOWN_REPORTS]]


def retraining(look: Look, product: str, *, now: datetime) -> dict[str, Any]:
    """Whether a training is due and why, as the last decision said; when the last was, and when the next is."""
    rows = recent_steps(look, product, now=now).filter(
        (pl.col("flow") == "retrain") & (pl.col("step") == "decide") & (pl.col("state") == "done")
    )
    said = json.loads(rows["facts"][-1]) if rows.height else {}
    trained = lineage.known(look, product).filter(pl.col("number") > 0)["created_at"].max()
    return {
        "is_due": said.get("is_due"),
        "reason": said.get("reason"),
        "facts": {key: value for key, value in said.items() if key not in ("is_due", "reason", "seconds")},
        "decided_at": iso(rows["ended"][-1]) if rows.height else None,
        "last_trained": iso(trained) if isinstance(trained, datetime) else None,
        "next_at": said.get("next_at"),
    }


def freshness(look: Look, product: str, *, now: datetime) -> list[dict[str, Any]]:
    """Each source of a product as the newest watch saw it; one not watched yet has nulls where nothing is known."""
    watched = recent_steps(look, product, now=now).filter(
        (pl.col("flow") == "watch") & (pl.col("step") == "measure") & (pl.col("state") == "done")
    )
    seen = json.loads(watched["facts"][-1]).get("freshness", []) if watched.height else []
    found = {one["source"]: {name: one.get(name) for name in _FRESH} for one in seen}
    pages = lineage.manifest(look, product)
    fetched = pages.group_by("source").agg(pl.col("fetched_at").max()).sort("source")
    for row in fetched.iter_rows(named=True):
        one = found.setdefault(row["source"], {"source": row["source"], **dict.fromkeys(_FRESH[1:])})
        one["fetched_at"] = iso(row["fetched_at"])
    return [
        {"fetched_at": None, **one, "newest": _told(one["newest"]), "since": _told(one["since"])}
        for one in found.values()
    ]


def _told(instant: str | None) -> str | None:
    return None if instant is None else iso(datetime.fromisoformat(instant))


def _state(
    serving: Mapping[str, Any] | None, raised: list[dict[str, Any]], ran: pl.DataFrame, late: list[dict[str, Any]]
) -> str:
    """``critical``, ``warning``, ``waiting`` (nothing served yet) or ``ok``."""
    gravest = {one["severity"] for one in raised}
    last = ran.unique("flow", keep="first", maintain_order=True)
    has_failed = last.filter(pl.col("state").is_in(["failed", "stopped"])).height > 0
    if "critical" in gravest:
        return "critical"
    if serving is None or serving["origin"] is None:
        return "warning" if has_failed else "waiting"
    return "warning" if "warning" in gravest or has_failed or any(one["is_late"] for one in late) else "ok"
