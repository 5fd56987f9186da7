"""A release: a fitted forecaster frozen with its manifest; plain text and JSON, checked before it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from urbancast import models
from urbancast.core.errors import ContractError, NotReadyError
from urbancast.lake import releases
from urbancast.lake.store import Lake
from urbancast.models import Fitted

MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Release:
    """Facts of one frozen forecaster; `name` is its identity, made of candidate and content hash.

    `number`: 0 the baseline, from 1 on what was trained, -1 a simple rule that forecasts in its shadow.
    """

    product: str
    measure: str
    name: str
    number: int
    candidate: str
    trained_until: datetime
    path: str
    facts: Mapping[str, Any]


def freeze(lake: Lake, fitted: Fitted, release: Release, *, run: str, now: datetime) -> Release:
    """Write the forecaster's files, then its manifest, then its row; a known release is returned as it is.

    ``release.name`` and ``release.path`` are filled in here: the same content gets the same name, so files of a known
    release that were damaged since are put right.
    """
    files = fitted.dump()
    checksums = {name: hashlib.sha256(payload).hexdigest() for name, payload in sorted(files.items())}
    digest = hashlib.sha256(json.dumps(checksums).encode()).hexdigest()
    name = f"{release.measure}-{release.candidate}-{digest[:10]}"
    known = find(lake, release.product, name)
    if known is not None:
        _mend(lake, known, files)
        return known
    path = f"releases/{release.product}/{name}"
    spread = {"dispersion": fitted.family.dispersion} if fitted.family else {}  # for those who load no model
    facts = {**release.facts, **spread, "checksums": checksums}
    frozen = Release(
        product=release.product,
        measure=release.measure,
        name=name,
        number=release.number,
        candidate=release.candidate,
        trained_until=release.trained_until,
        path=path,
        facts=facts,
    )
    for file, payload in files.items():
        lake.files.put(f"{path}/{file}", payload)
    lake.files.put(f"{path}/{MANIFEST}", json.dumps(facts, indent=1, sort_keys=True, default=str).encode())
    releases.add(lake, _row(frozen, run=run, now=now))
    return frozen


def _mend(lake: Lake, known: Release, files: Mapping[str, bytes]) -> None:
    for file, payload in files.items():
        path = f"{known.path}/{file}"
        if not lake.files.exists(path) or lake.files.get(path) != payload:
            lake.files.put(path, payload)


def load(lake: Lake, release: Release) -> Fitted:
    """Return the forecaster of a release; a file that does not match its checksum stops the load."""
    checksums: Mapping[str, str] = release.facts["checksums"]
    files: dict[str, bytes] = {}
    for file, expected in checksums.items():
        payload = lake.files.get(f"{release.path}/{file}")
        found = hashlib.sha256(payload).hexdigest()
        if found != expected:
            raise ContractError(
                f"release {release.name}, file {file}: expected sha256 {expected[:12]}…, found {found[:12]}…; "
                f"the file was changed: roll back, or train {release.product} again"
            )
        files[file] = payload
    return models.load(files)


def find(lake: Lake, product: str, name: str) -> Release | None:
    """Return the release of that name, or None."""
    return next((release for release in every(lake, product) if release.name == name), None)


def get(lake: Lake, product: str, name: str) -> Release:
    """Return the release of that name; NotReadyError when there is none."""
    found = find(lake, product, name)
    if found is None:
        raise NotReadyError(f"release: expected one named {name} of {product}, found none; train {product} first")
    return found


def baseline(lake: Lake, product: str, measure: str, *, until: datetime | None = None) -> Release | None:
    """Return the release 0 of a measure that was trained on the most recent past (up to an instant), or None."""
    return next((release for release in rules(lake, product, measure, until=until) if release.number == 0), None)


def rules(lake: Lake, product: str, measure: str, *, until: datetime | None = None) -> list[Release]:
    """Return the newest release of each simple rule of a measure, by the past it was trained on (up to an instant)."""
    newest: dict[str, Release] = {}
    for release in every(lake, product):
        if release.measure != measure or release.number > 0 or (until is not None and release.trained_until > until):
            continue
        known = newest.get(release.candidate)
        if known is None or release.trained_until >= known.trained_until:
            newest[release.candidate] = release
    return list(newest.values())


def next_number(lake: Lake, product: str, measure: str) -> int:
    """Return the number the next trained release of a measure gets; 1 is the first. A replay's own do not count."""
    own = (r for r in every(lake, product) if r.measure == measure and r.facts.get("kind") != "replay")
    return 1 + max((r.number for r in own), default=0)


def every(lake: Lake, product: str) -> list[Release]:
    """Return all releases of a product, oldest first."""
    rows = releases.read(lake, product).sort("created_at", "number")
    return [_from_row(row) for row in rows.iter_rows(named=True)]


def _row(release: Release, *, run: str, now: datetime) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "product": release.product,
                "release": release.name,
                "measure": release.measure,
                "number": release.number,
                "candidate": release.candidate,
                "trained_until": release.trained_until,
                "path": release.path,
                "facts": json.dumps(release.facts, sort_keys=True, default=str),
                "created_at": now,
                "run": run,
            }
        ]
    )


def _from_row(row: Mapping[str, Any]) -> Release:
    return Release(
        product=row["product"],
        measure=row["measure"],
        name=row["release"],
        number=row["number"],
        candidate=row["candidate"],
        trained_until=row["trained_until"],
        path=row["path"],
        facts=json.loads(row["facts"]),
    )
