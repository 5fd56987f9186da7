"""Pull: a portal's bytes into raw, places, covariates and observations; nothing is dropped in silence."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import polars as pl

from urbancast import portals
from urbancast.core.errors import ContractError, PortalError
from urbancast.core.product import ObserveContext, Observed, Source, Window
from urbancast.core.time import as_grain
from urbancast.flows import contact as contacts, network
from urbancast.flows.contact import FLOW, Contact
from urbancast.flows.job import Job, step
from urbancast.geo import places as shapes
from urbancast.lake import covariates, observations, places, provenance, quarantine, raw, runs
from urbancast.portals import layouts, pages
from urbancast.portals.fetched import Fetched
from urbancast.portals.session import Session


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """Counts of one pull; conservation holds for each source: raw = used + quarantined + repeated."""

    new_pages: int
    raw_rows: Mapping[str, int]
    used: Mapping[str, int]
    quarantined: Mapping[str, int]
    repeated: Mapping[str, int]
    added: int
    notes: Mapping[str, float]


def run(job: Job) -> Pulled:
    """Fetch what is new since the last complete pull (with each source's look-back), observe and add it."""
    fetch(job)
    return observe(job)


def fetch(job: Job, *, only: Collection[str] | None = None) -> int:
    """Keep what the sources (``only`` these) have new, bytes as sent; number of pages not known before."""
    run_id = job.run_id(FLOW)
    if job.clock is not None:
        job.clock.now = job.now
    provenance.require(job.lake, job.product.id, job.provenance)
    observed = _contact(job).observed
    asked = [source for source in _sources(job) if _is_asked(job, source, observed.get(source.name), only)]
    without: dict[str, str] = {}
    with step(job, run_id, FLOW, "fetch") as facts:
        new_pages = facts["new_pages"] = 0
        for source in asked:
            window = Window(start=observed.get(source.name) or job.now - job.recipe.history, end=job.now)
            new_pages += _keep_if_any(job, source, window, run_id, without)
        facts.update(new_pages=new_pages, asked={source.name: job.now.isoformat() for source in asked})
        facts.update({"without": without} if without else {})
    return new_pages


def observe(job: Job) -> Pulled:
    """Places, roads, weather and observations from what was fetched and not observed yet."""
    contact = _contact(job)
    fetches = contact.unobserved
    run_id = fetches[-1].run if fetches else job.run_id(FLOW)
    with step(job, run_id, FLOW, "places"):
        _put_places(job, run_id)
    # As served before, where roads could not be read whole.
    if _by_role(job, network.ROLE) and not any(fetched.without for fetched in fetches):
        with step(job, run_id, FLOW, "network") as facts:
            facts.update(network.put(job))
    with step(job, run_id, FLOW, "weather") as facts:
        facts["rows"] = sum(_add_weather(job, source, contact, run_id) for source in _by_role(job, "weather"))
    with step(job, run_id, FLOW, "observe") as facts:
        pulled = _observe(job, contact, run_id)
        fates = {"used": pulled.used, "quarantined": pulled.quarantined, "repeated": pulled.repeated}
        facts.update(added=pulled.added, raw=pulled.raw_rows, **fates, notes=pulled.notes)
    for fetched in fetches:
        moments = {name: moment.isoformat() for name, moment in fetched.asked.items()}
        with step(job, fetched.run, FLOW, "complete") as facts:
            facts.update(window_end=max(fetched.asked.values(), default=job.now), asked=moments)
    return pulled


def _contact(job: Job) -> Contact:
    return contacts.of(job.lake, job.product.id, [source.name for source in job.recipe.sources])


def _is_asked(job: Job, source: Source, observed: datetime | None, only: Collection[str] | None) -> bool:
    """Whether a fetch asks a source: not where this very moment was observed before, and roads but rarely."""
    if only is not None and source.name not in only:
        return False
    return (observed != job.now or bool(job.links)) and network.is_due(job, source)


def _sources(job: Job) -> Iterator[Source]:
    """Sources this job can reach: all of them at a portal, only the named ones from files."""
    for source in job.recipe.sources:
        at_portal = job.provenance != "extract" and (source.role != "places" or job.provenance == "live")
        if source.role == "network":  # some roads come as files alone, some only from a live portal
            at_portal = at_portal and bool(source.url if job.provenance == "live" else source.dataset)
        if source.name in job.links or at_portal:
            yield source
        elif source.is_required and job.provenance == "extract" and source.role == "observations":
            raise ContractError(
                f"{job.product.id}.{source.name}: expected --source {source.name}=PATH_OR_URL, found "
                f"{', '.join(job.links) or 'no source'}; name the file"
            )


def _by_role(job: Job, role: str) -> list[Source]:
    return [source for source in _sources(job) if source.role == role]


def _keep_if_any(job: Job, source: Source, window: Window, run_id: str, without: dict[str, str]) -> int:
    """As ``_keep``; roads that a portal does not give are named in ``without``, and all else goes on."""
    try:
        return _keep(job, source, window, run_id)
    except PortalError as error:
        if source.role != network.ROLE or source.name in job.links:
            raise
        without[source.name] = str(error)
        return 0


def _keep(job: Job, source: Source, window: Window, run_id: str) -> int:
    """Fetch, match the layout, keep the bytes; return how many pages were not known before."""
    link = job.links.get(source.name)
    asked = Window(start=window.start - source.look_back, end=window.end) if source.time and not link else None
    kept = 0
    with Session.of(source, link=link or job.portal_url, policy=job.policy) as session:
        for fetched in _fetch(job, source, asked, session):
            if source.is_streamed and raw.knows(job.lake, fetched, product=job.product.id, source=source.name):
                continue
            native = layouts.native(fetched)
            if link and native.width == 0:
                raise ContractError(f"{source.name}: expected a table in {link}, found an empty file; check the path")
            layouts.parse_frame(source, native)  # a shape that cannot be read is refused before it is kept
            layout = layouts.match(source, native)
            kept += raw.keep(
                job.lake,
                fetched,
                product=job.product.id,
                source=source.name,
                layout=layout.name,
                provenance=job.provenance,
                licence=source.licence.name,
                run=run_id,
            )
    return kept


def _fetch(job: Job, source: Source, window: Window | None, session: Session) -> Iterator[Fetched]:
    link = job.links.get(source.name)
    portal = portals.by_name("files" if link else source.portal)
    try:
        yield from portal.fetch(source, window, session=session, now=job.now, url=link or job.portal_url)
    except PortalError as error:
        told = str(error).removeprefix(f"{source.name}: ")
        raise PortalError(f"{job.product.id}.{source.name}: {told}") from error


def _parsed(job: Job, source: Source, since: datetime | None) -> pl.DataFrame:
    """Canonical rows of a source's kept pages that touch [since, …), in order of fetching."""
    pages = raw.read(job.lake, job.product.id, source.name, since=since)
    frames = [layouts.parse(source, Fetched.of_page(page.manifest, page.payload)) for page in pages]
    if not frames:
        return pl.DataFrame(schema={**source.schema, "_row": pl.Int64})
    rows = pl.concat(frames, how="diagonal_relaxed")
    return rows if source.time is None or since is None else rows.filter(pl.col(source.time) >= since)


def _streamed(job: Job, source: Source, since: datetime | None) -> Iterator[pl.DataFrame]:
    """Canonical pages of a streamed source, file by file; a file whose pages are not all here yet waits.

    Pages of one file were known together: when the last of them came.
    """
    listed = raw.listed(job.lake, job.product.id, source.name, since=since)
    for rows in _files(listed):
        complete_at = max(row["fetched_at"] for row in rows)
        for row in rows:
            page = raw.page(job.lake, row)
            frame = layouts.parse(source, Fetched.of_page(page.manifest, page.payload))
            frame = frame.with_columns(fetched_at=pl.lit(complete_at, dtype=frame.schema["fetched_at"]))
            yield frame if source.time is None or since is None else frame.filter(pl.col(source.time) >= since)


def _files(listed: pl.DataFrame) -> Iterator[list[dict[str, Any]]]:
    """Manifest rows of each whole file, in order of completion, pages in order of their bytes."""
    groups: dict[Any, list[dict[str, Any]]] = {}
    for row in listed.iter_rows(named=True):
        groups.setdefault((row["url"], json.loads(row["query"]).get("sha256", row["sha256"])), []).append(row)
    ordered = sorted(groups.values(), key=lambda rows: max(row["fetched_at"] for row in rows))
    for rows in ordered:
        rows.sort(key=lambda row: json.loads(row["query"]).get("first_byte", 0))
        queries = [json.loads(row["query"]) for row in rows]
        if "first_byte" not in queries[0] or pages.is_whole(queries):
            yield rows


class _Counted:
    """Frames of a streamed source as `observe` takes them, counted on their way."""

    def __init__(self, frames: Iterator[pl.DataFrame]) -> None:
        self._frames = frames
        self.height = 0

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for frame in self._frames:
            self.height += frame.height
            yield frame


def _put_places(job: Job, run_id: str) -> None:
    """Places from boundaries or as a schematic, with what the tables of facts say of them, by vintage."""
    is_first = places.get(job.lake, job.product.id).is_empty()
    named = _by_role(job, "places")
    facts = [source for source in job.recipe.sources if source.role == "facts"] if job.recipe.attributes else []
    if not is_first and not _is_pending(job, [source.name for source in (*named, *facts)]):
        return
    if named:
        rows = _parsed(job, named[0], None)
        columns: dict[str, str] = {name: name for name in ("place", "name", "part_of") if name in rows.columns}
        frame = shapes.from_features(rows, columns, kind=job.product.shape_kind).places
    else:
        frame = shapes.schematic(job.product)
    if job.recipe.attributes is not None:
        told = job.recipe.attributes(frame, {source.name: _facts(job, source) for source in facts})
        quarantine.add(job.lake, job.product.id, told.quarantine, run=run_id)
        frame = told.places
    places.put(job.lake, job.product.id, frame)


def _facts(job: Job, source: Source) -> pl.DataFrame:
    """Canonical rows of the newest version of each file of a table of facts; ``file`` is its name, on any host."""
    listed = raw.listed(job.lake, job.product.id, source.name).iter_rows(named=True)
    newest = {PurePosixPath(unquote(urlsplit(row["url"]).path)).stem: row for row in listed}
    frames = [pl.DataFrame(schema={**source.schema, "file": pl.String})]
    for file, row in sorted(newest.items()):
        page = raw.page(job.lake, row)
        frame = layouts.parse(source, Fetched.of_page(page.manifest, page.payload))
        frames.append(frame.with_columns(file=pl.lit(file)))
    return pl.concat(frames, how="diagonal_relaxed")


def _is_pending(job: Job, sources: Collection[str]) -> bool:
    """Whether a page of these sources is kept that no complete pull has worked on."""
    done = runs.read(job.lake, job.product.id).filter(
        (pl.col("flow") == FLOW) & (pl.col("step") == "complete") & (pl.col("state") == "done")
    )
    kept = raw.manifest(job.lake, job.product.id).filter(pl.col("source").is_in(list(sources)))
    return kept.join(done.select("run"), on="run", how="anti").height > 0


def _add_weather(job: Job, source: Source, contact: Contact, run_id: str) -> int:
    start = _start(job, [source], contact)
    rows = _parsed(job, source, None if source.name in job.links else start - source.look_back)
    key = ["place", "variable", "time", "issued_at", "kind"]
    rows = rows.drop_nulls("value").unique(key, keep="last", maintain_order=True)  # answers overlap by whole days
    return covariates.add(job.lake, job.product.id, rows.select(list(source.schema)), run=run_id) if rows.height else 0


def _start(job: Job, sources: Collection[Source], contact: Contact) -> datetime:
    """Moment to which all of these sources were observed; before a first time, where their history begins."""
    moments = [contact.observed.get(source.name) for source in sources]
    return min(moment or job.now - job.recipe.history for moment in moments)


def _observe(job: Job, contact: Contact, run_id: str) -> Pulled:
    sources = _by_role(job, "observations")
    # A first pull, and files, which have no window: every row that was ever kept is observed.
    is_whole = not all(source.name in contact.observed for source in sources) or bool(job.links)
    look_back = max(source.look_back for source in sources)
    start = None if is_whole else _start(job, sources, contact) - look_back
    since = None if start is None else start - job.recipe.context
    if not job.links and not _is_pending(job, [source.name for source in sources]):
        return _nothing(sources)
    rows: dict[str, Any] = {
        source.name: _Counted(_streamed(job, source, since)) if source.is_streamed else _parsed(job, source, since)
        for source in sources
    }
    known = places.get(job.lake, job.product.id)
    context = ObserveContext(
        tz=job.product.tz,
        grain=as_grain(job.product.grain),
        places=known,
        is_schematic=bool(known["is_schematic"].any()),
        provenance=job.provenance,
    )
    seen = job.recipe.observe(rows, context)
    quarantined = _conserve(job, rows, seen)
    quarantine.add(job.lake, job.product.id, seen.quarantine, run=run_id)
    fresh = seen.observations if start is None else seen.observations.filter(pl.col("time") >= start)
    sparse = [measure.id for measure in job.product.measures if measure.sparse]
    added = observations.add(job.lake, job.product.id, fresh, run=run_id, fetched_at=job.now, sparse=sparse)
    return Pulled(
        new_pages=sum(fetched.new_pages for fetched in contact.unobserved),
        raw_rows={name: frame.height for name, frame in rows.items()},
        used=seen.used,
        quarantined=quarantined,
        repeated=seen.repeated,
        added=added,
        notes=seen.notes,
    )


def _nothing(sources: list[Source]) -> Pulled:
    """No page is new: what they say was observed before."""
    none = {source.name: 0 for source in sources}
    return Pulled(new_pages=0, raw_rows=none, used=none, quarantined=none, repeated=none, added=0, notes={})


def _conserve(job: Job, rows: Mapping[str, Any], seen: Observed) -> dict[str, int]:
    """Return quarantined rows by source, or stop: every raw row has exactly one fate."""
    counts: dict[str, Any] = dict(seen.quarantine.group_by("source").len().iter_rows())
    for name, frame in rows.items():
        used, repeated, kept_out = seen.used.get(name, 0), seen.repeated.get(name, 0), counts.get(name, 0)
        if frame.height != used + repeated + kept_out:
            raise ContractError(
                f"{job.product.id}.{name}: expected {frame.height} raw rows = used + quarantined + repeated, "
                f"found {used} + {kept_out} + {repeated}; mend products/{job.product.id}/observe.py"
            )
    return {name: counts.get(name, 0) for name in rows}
