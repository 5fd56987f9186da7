"""Backups: a lake as of one instant, its bytes named by their checksums, so that the next backup copies only news."""

from __future__ import annotations

import hashlib
import json
import re
import time as clock
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from urbancast.core.errors import ContractError, NotReadyError
from urbancast.core.tables import SCHEMA_VERSION, TABLES
from urbancast.lake.files import Files, open_files
from urbancast.lake.maintain import KEPT, release_of
from urbancast.lake.secret import FOLDER as PRIVATE
from urbancast.lake.store import MARK, TABLES_FOLDER, Lake

BLOBS, MANIFESTS = "blobs", "backups"
RESTORING = "_restoring.json"
FORMAT = 1
AT_ONCE = 4
PATIENCE_S = 60.0
_LOG = re.compile(r"(\d{20})\.(json|checkpoint[\w.]*\.parquet)")


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What a backup or a restore did: files and bytes in all, and how many of them had to be copied."""

    name: str
    versions: Mapping[str, int]
    files: int
    bytes: int
    copied: int
    copied_bytes: int


def take(lake: Lake, to: Files, *, at: datetime) -> Copied:
    """Copy what the tables at one instant say and name; the manifest, written last, makes it a backup."""
    versions = _instant(lake)
    known = _known(lake, to)
    there = {path.rpartition("/")[2] for path in to.list(BLOBS)}
    copied: list[int] = []

    def keep(path: str) -> tuple[str, dict[str, Any]]:
        if path in known and known[path]["sha256"] in there:
            return path, known[path]
        payload = lake.files.get(path)
        digest = hashlib.sha256(payload).hexdigest()
        if digest not in there:
            to.put(_blob(digest), payload)
            there.add(digest)
            copied.append(len(payload))
        return path, {"sha256": digest, "bytes": len(payload)}

    files = dict(_each(keep, sorted(_wanted(lake, versions))))
    name = f"{at:%Y-%m-%dT%H-%M-%S.%fZ}"
    manifest = {"format": FORMAT, "schema": SCHEMA_VERSION, "at": at.isoformat(), "tables": versions, "files": files}
    to.put(f"{MANIFESTS}/{name}.json", json.dumps(manifest, sort_keys=True).encode())
    return _told(name, manifest, copied)


def names(source: Files) -> list[str]:
    """Names of the backups at a place, the oldest first."""
    return [path.rpartition("/")[2].removesuffix(".json") for path in source.list(MANIFESTS)]


def put_back(source: Files, to: str, *, at: datetime, name: str | None = None) -> Copied:
    """Write a backup's files to an empty place, each checked against its checksum; the lake's mark comes last.

    A restore that was stopped goes on; any other place with something in it is refused. The mark says when the lake
    was restored: it is another one from then on, also for the next backup.
    """
    chosen = name or next(reversed(names(source)), None)
    if chosen is None or chosen not in names(source):
        found = ", ".join(names(source)) or "none"
        raise NotReadyError(
            f"backup: expected one named {chosen or '(any)'}, found {found}; name the place of a backup"
        )
    manifest = json.loads(source.get(f"{MANIFESTS}/{chosen}.json"))
    target = open_files(to)
    _require_readable(manifest, chosen)
    there = _require_empty(target, to, chosen)
    target.put(RESTORING, json.dumps({"backup": chosen}).encode())
    copied: list[int] = []

    def write(path: str) -> None:
        row = manifest["files"][path]
        if there.get(path) != row["bytes"]:
            target.put(path, _checked(source, path, row["sha256"]))
            copied.append(row["bytes"])

    for _ in _each(write, sorted(set(manifest["files"]) - {MARK})):
        pass
    mark = json.loads(_checked(source, MARK, manifest["files"][MARK]["sha256"]))
    target.put(MARK, json.dumps({**mark, "restored": at.isoformat()}).encode())
    target.remove(RESTORING)
    return _told(chosen, manifest, copied)


def _instant(lake: Lake) -> dict[str, int]:
    """Versions that all tables had at one instant: read twice, and nothing had moved between."""
    deadline = clock.monotonic() + PATIENCE_S
    while clock.monotonic() < deadline:
        versions = {table: lake.version(table) for table in TABLES}
        if versions == {table: lake.version(table) for table in TABLES}:
            return {table: version for table, version in versions.items() if version >= 0}
    raise NotReadyError(
        f"backup of {lake.url}: expected an instant between two commits within {PATIENCE_S:.0f} s, found writers busy "
        "all the time; run again when less runs"
    )


def _wanted(lake: Lake, versions: Mapping[str, int]) -> Iterator[str]:
    """Paths of all that belongs to these versions: logs and files of tables, bytes that rows name, what is small."""
    named = {
        table: set(lake.snapshot(table, version=versions[table]).scan().select("path").collect()["path"])
        if table in versions
        else set()
        for table in ("raw", "releases")
    }
    for path in lake.files.list():
        folder = path.partition("/")[0]
        is_unnamed = (folder == "raw" and path not in named["raw"]) or (
            folder == "releases" and release_of(path) not in named["releases"]
        )
        if folder not in (TABLES_FOLDER, PRIVATE) and not is_unnamed:
            yield path
    for table, version in versions.items():
        yield from _of_table(lake, table, version)


def _of_table(lake: Lake, table: str, version: int) -> Iterator[str]:
    folder = f"{TABLES_FOLDER}/{table}/"
    for path in lake.files.list(f"{folder}_delta_log"):
        entry = _LOG.fullmatch(path.rpartition("/")[2])
        if entry and int(entry[1]) <= version:
            yield path
    if table in KEPT:  # with the files of earlier versions, which stay for ever
        yield from (
            path for path in lake.files.list(folder) if path.endswith(".parquet") and "/_delta_log/" not in path
        )
        return
    delta = lake.snapshot(table, version=version).delta
    for uri in delta.file_uris() if delta is not None else ():
        yield folder + uri.rpartition(f"/{folder}")[2]


def _is_immutable(path: str) -> bool:
    """Whether the bytes at a path never change: pages by checksum, files of tables by number or unique name."""
    return path.startswith(("raw/", f"{TABLES_FOLDER}/"))


def _require_readable(manifest: Mapping[str, Any], name: str) -> None:
    found = (manifest.get("format"), manifest.get("schema"))
    if found[0] != FORMAT or not isinstance(found[1], int) or found[1] > SCHEMA_VERSION:
        raise ContractError(
            f"backup {name}: expected format {FORMAT} and a lake up to version {SCHEMA_VERSION}, found {found[0]} "
            f"and {found[1]}; restore it with the urbancast that wrote it"
        )


def _require_empty(target: Files, to: str, name: str) -> dict[str, int]:
    """Sizes of what a stopped restore of this backup wrote before; ContractError where anything else is there."""
    there = target.sizes()
    if not there:
        return {}
    begun = json.loads(target.get(RESTORING))["backup"] if RESTORING in there else None
    if begun != name:
        what = f"a restore of {begun}" if begun else f"{len(there)} files, such as {min(there)}"
        raise ContractError(
            f"restore to {to}: expected an empty place, found {what}; name another, or move away what is there"
        )
    return there


def _checked(source: Files, path: str, digest: str) -> bytes:
    payload = source.get(_blob(digest))
    found = hashlib.sha256(payload).hexdigest()
    if found != digest:
        raise ContractError(
            f"backup, file {path}: expected sha256 {digest[:12]}…, found {found[:12]}…; the backup was damaged: "
            "restore an earlier one, or one kept elsewhere"
        )
    return payload


def _known(lake: Lake, to: Files) -> dict[str, Any]:
    """Files of the newest backup of this very lake whose bytes never change: their checksums need no reading."""
    made = names(to)
    newest = json.loads(to.get(f"{MANIFESTS}/{made[-1]}.json")) if made else {"files": {}}
    mark = hashlib.sha256(lake.files.get(MARK)).hexdigest()
    if newest["files"].get(MARK, {}).get("sha256") != mark:
        return {}
    return {path: row for path, row in newest["files"].items() if _is_immutable(path)}


def _blob(digest: str) -> str:
    return f"{BLOBS}/{digest[:2]}/{digest}"


def _each(work: Callable[[str], Any], paths: Iterable[str]) -> Iterator[Any]:
    """Results of work on each path, some at once: a store far away answers slowly, yet many."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        yield from pool.map(work, paths)


def _told(name: str, manifest: Mapping[str, Any], copied: list[int]) -> Copied:
    sizes = [row["bytes"] for row in manifest["files"].values()]
    return Copied(
        name=name,
        versions=manifest["tables"],
        files=len(sizes),
        bytes=sum(sizes),
        copied=len(copied),
        copied_bytes=sum(copied),
    )
