"""What a training shows for itself: parameters, metrics, tables, pictures and the facts of its card."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import Licence
from urbancast.core.time import iso
from urbancast.evaluation import compare, metrics, slices
from urbancast.evaluation.backtest import Backtest
from urbancast.features.calendar import public_holidays
from urbancast.flows import pictures
from urbancast.flows.job import Job
from urbancast.lake import places
from urbancast.models import Fitted
from urbancast.registry import dossier
from urbancast.registry.dossier import Dossier
from urbancast.registry.record import Decision
from urbancast.registry.release import Release

COLUMNS = ("absolute_error", "squared_error", "deviance", "pinball", "crps", "hits_80")
SCORES = ("absolute_error", "deviance", "pinball", "crps")
LOGGED = ("lead", "hour", "weekday", "holiday")  # slices that are metrics; those of places are in the table alone
HEADINGS = {"Value": "What the value is", "Known faults": "Limits and known faults", "Fair use": "Fair use"}
PIT_BINS = 20
SHOWN = 5  # worst places in a card, and best


def keep(job: Job, release: Release, fitted: Fitted, result: Backtest) -> None:
    """Write everything worth keeping of one training beside its release, in plain values, text and pictures."""
    dossier.keep(job.lake, release, made(job, release, fitted, result))


def judged(job: Job, releases: Mapping[str, Release], decisions: Mapping[str, Decision]) -> None:
    """Write verdicts into the cards of the releases that they are about; both by measure."""
    for measure, decision in decisions.items():
        dossier.judge(job.lake, releases[measure], decision)


def made(job: Job, release: Release, fitted: Fitted, result: Backtest) -> Dossier:
    """The dossier of one training."""
    own = result.losses.filter(pl.col("candidate") == release.candidate)
    column = compare.COLUMN[job.recipe.primary]
    pairs = slices.paired(result.losses, release.candidate, job.recipe.baseline)
    holidays = public_holidays(sorted(own["day"].unique()), job.product)
    sliced = slices.of(pairs, holidays, column=column)
    from urbancast.models import importance  # loads the trees: half a second that only trainings need

    shares = importance.of(fitted.point)
    splits = _splits(job, result)
    found = {**dict(_metrics(result)), **_own(job, own, pairs)}
    return Dossier(
        params=_params(job, release),
        metrics={name: value for name, value in found.items() if np.isfinite(value)},
        series=_series(sliced),
        card=_card(job, release, sliced=sliced, shares=shares, splits=splits),
        files=_files(own, result, {"slices": sliced, "splits": splits, "importance": shares}),
    )


def _params(job: Job, release: Release) -> dict[str, str]:
    facts = {key: value for key, value in release.facts.items() if key not in {"checksums", "backtest"}}
    windows = {"train": job.recipe.train_window, "calibration": job.recipe.calibration}
    return dict(_flat(facts)) | {
        "candidate": release.candidate,
        "number": str(release.number),
        "trained_until": iso(release.trained_until),
        "primary": job.recipe.primary,
        "baseline": job.recipe.baseline,
        **{f"window.{name}_days": f"{_days(length):g}" for name, length in windows.items()},
    }


def _metrics(result: Backtest) -> Iterator[tuple[str, float]]:
    """Means of every candidate's losses, and of those of the last fold."""
    means = result.losses.group_by("candidate").agg(pl.col(COLUMNS).mean()).sort("candidate")
    for row in means.iter_rows(named=True):
        for column in COLUMNS:
            yield f"{row['candidate']}.{column}", float(row[column])
    last = result.losses["cut"].max()
    for row in result.losses.filter(pl.col("cut") == last).group_by("candidate").agg(pl.col(COLUMNS).mean()).to_dicts():
        yield f"{row['candidate']}.last_fold.absolute_error", float(row["absolute_error"])


def _own(job: Job, own: pl.DataFrame, pairs: pl.DataFrame) -> dict[str, float]:
    """Scores of the release's candidate on the rows that the baseline has too, each beside the baseline's."""
    told = metrics.means(own).row(0, named=True)
    found = {
        "rows": told["rows"],
        "days": told["days"],
        "coverage_80": told["hits_80"],
        "coverage_80.se": told["hits_80_se"],
        "plain_coverage_80": told["plain_hits_80"],
        "width_80": told["width_80"],
        "forecast_over_observed": told["mean_over_value"],
    }
    signed = {measure.id for measure in job.product.measures if measure.signed}
    columns = pl.col(*SCORES, *(f"baseline_{name}" for name in SCORES))
    days = pairs.group_by("day").agg(pl.len().alias("n"), columns.sum()).sort("day")
    names = [name for name in SCORES if name != "deviance" or own["measure"][0] not in signed]  # it is a count's
    for name in names:
        sums = days.select("n", own=pl.col(name), beside=pl.col(f"baseline_{name}"))
        rows, difference = sums["n"].to_numpy(), (sums["beside"] - sums["own"]).to_numpy()
        beside = float(sums["beside"].sum()) / int(rows.sum())
        found |= {f"score.{name}": float(sums["own"].sum()) / int(rows.sum()), f"baseline.{name}": beside}
        found[f"score.{name}.se"] = told[f"{name}_se"]
        if beside > 0:
            low, high = compare.difference_interval(rows, difference, seed=job.recipe.seed)
            skill = metrics.skill(found[f"score.{name}"], beside)
            found |= {f"skill.{name}": skill, f"skill.{name}.low": low / beside, f"skill.{name}.high": high / beside}
    return found


def _series(sliced: pl.DataFrame) -> dict[str, list[tuple[int, float]]]:
    """Skill and coverage by slice, as curves: the step is the hour, the weekday (Monday is 1), the day ahead."""
    found: dict[str, list[tuple[int, float]]] = {}
    for name in LOGGED:
        rows = sliced.filter(pl.col("slice") == name)
        for column in ("skill", "coverage_80"):
            known = rows.drop_nulls(column).select("key", column).iter_rows()
            found[f"{name}/{column}"] = [(_step(name, key), float(value)) for key, value in known]
    return found


def _step(name: str, key: str) -> int:
    if name == "weekday":
        return slices.DAYS.index(key) + 1
    return int(key == slices.HOLIDAY) if name == "holiday" else int(key[4:] if name == "lead" else key[:2])


def _splits(job: Job, result: Backtest) -> pl.DataFrame:
    """Each fold: when it was trained, on which windows, and which origins and times it was judged by."""
    rows = result.losses.filter(pl.col("candidate") == job.recipe.baseline)
    calibration = pl.col("cut") - job.recipe.calibration
    return (
        rows.group_by("cut")
        .agg(
            pl.col("origin").n_unique().alias("origins"),
            pl.col("origin").min().alias("first_origin"),
            pl.col("origin").max().alias("last_origin"),
            pl.col("time").min().alias("first_time"),
            pl.col("time").max().alias("last_time"),
            pl.len().alias("rows"),
        )
        .with_columns(train_from=pl.col("cut") - job.recipe.train_window, calibration_from=calibration)
        .sort("cut")
    )


def _files(own: pl.DataFrame, result: Backtest, tables: Mapping[str, pl.DataFrame]) -> dict[str, bytes]:
    deciles = metrics.means(metrics.with_decile(own), by=["decile"])
    reliability = metrics.reliability(own)
    levels = _pit(own)
    folds = metrics.means(result.losses, by=["candidate", "cut"])
    every = {**tables, "folds": folds, "deciles": deciles, "reliability": reliability, "pit": levels}
    shares = tables["importance"]
    store = io.BytesIO()
    result.sample.write_parquet(store)
    return {
        **{f"tables/{name}.csv": table.write_csv().encode() for name, table in every.items()},
        "pictures/coverage.png": pictures.coverage(deciles),
        "pictures/pit.png": pictures.pit(levels),
        "pictures/reliability.png": pictures.reliability(reliability),
        **({"pictures/importance.png": pictures.importance(shares)} if shares.height else {}),
        "predictions.parquet": store.getvalue(),
    }


def _pit(own: pl.DataFrame) -> pl.DataFrame:
    """Shares of the randomised PIT in ``PIT_BINS`` equal bins: from, to, share."""
    counts = np.histogram(own["pit"].to_numpy(), bins=PIT_BINS, range=(0.0, 1.0))[0]
    edges = np.arange(PIT_BINS + 1) / PIT_BINS
    return pl.DataFrame({"from": edges[:-1], "to": edges[1:], "share": counts / max(1, counts.sum())})


def _card(
    job: Job, release: Release, *, sliced: pl.DataFrame, shares: pl.DataFrame, splits: pl.DataFrame
) -> dict[str, Any]:
    product, recipe = job.product, job.recipe
    measure = next(each for each in product.measures if each.id == release.measure)
    facts = release.facts
    model = next(c.model for c in (*recipe.rules, *recipe.candidates) if c.name == release.candidate)
    said = {"name": release.name, "number": release.number, "candidate": release.candidate, "model": model}
    said |= {"provenance": job.provenance, "trained_until": iso(release.trained_until), "baseline": recipe.baseline}
    # Of a release that was known before, facts were read back: instants as texts.
    windows = {name: iso(datetime.fromisoformat(str(facts["window"][name]))) for name in ("start", "end")}
    windows |= {"train_days": _days(recipe.train_window), "calibration_days": _days(recipe.calibration)}  # type: ignore[dict-item]
    return {
        "product": {
            "id": product.id,
            "measure": measure.id,
            "city": product.city,
            "question": product.question["en"],
            "label": measure.label["en"],
            "unit": measure.unit["en"],
            "place_word": product.place_word["en"],
            "grain": product.grain,
            "horizon_h": product.horizon / timedelta(hours=1),
        },
        "release": said,
        "windows": windows,
        "licences": _licences(job),
        "texts": _texts((product.folder / "card.md").read_text(encoding="utf-8")),
        "folds": splits.with_columns(pl.col(pl.Datetime).dt.strftime("%Y-%m-%dT%H:%MZ")).to_dicts(),
        "slices": _shown(job, sliced),
        "importance": shares.group_by("part", maintain_order=True).head(8).to_dicts(),
        "code": {
            **facts["code"],
            "recipe": facts["recipe"],
            "seed": facts["seed"],
            "inputs": facts["inputs"],
            "libraries": facts["libraries"],
            "command": f"urbancast train {product.id} --as-of {iso(release.trained_until)} --lake LAKE",
        },
    }


def _licences(job: Job) -> list[dict[str, str]]:
    """Terms of the product and of each source of its recipe, once each."""
    own: list[Licence] = [*job.product.licences, *(source.licence for source in job.recipe.sources)]
    told = [{"source": t.source, "name": t.name, "url": t.url, "attribution": t.attribution} for t in own]
    return [each for i, each in enumerate(told) if each not in told[:i]]


def _texts(text: str) -> dict[str, str]:
    """Sections of a product's own card that a reader of any release of it must know, by their heading here."""
    parts = re.split(r"^## +(.+?) *$", text, flags=re.MULTILINE)
    there = dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    missing = "The product's card says nothing of it."
    return {heading: there.get(name, missing) for name, heading in HEADINGS.items()}


def _shown(job: Job, sliced: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Rows of the card by heading: clock and calendar whole, of places the worst and the best with enough rows."""
    shown = {name: sliced.filter(pl.col("slice") == name).drop("slice").to_dicts() for name in LOGGED}
    ids = sliced.filter(pl.col("slice") == "place").drop("slice", strict=False)
    named = places.get(job.lake, job.product.id).select(key="place", name="name")
    ranked = ids.join(named, on="key", how="left").with_columns(key=pl.coalesce("name", "key")).drop("name")
    ranked = ranked.filter(pl.col("n") >= pl.col("n").median() / 4).drop_nulls("skill").sort("skill", "key")
    few = min(SHOWN, (ranked.height + 1) // 2)
    best = ranked.tail(min(few, ranked.height - few)).reverse()
    return {"worst places": ranked.head(few).to_dicts(), "best places": best.to_dicts(), **shown}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def _days(length: timedelta) -> float:
    return length / timedelta(days=1)
