"""Logs: what a run said, as JSON lines by product, day and run; without locations or secrets, and never too long."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote, unquote

import structlog

from urbancast.core.errors import NotReadyError
from urbancast.lake import scrub
from urbancast.lake.store import Lake

FOLDER = "logs"
LONGEST_RUN = 1_000_000  # bytes
LONGEST_LINE = 16_000
FULL = "more was said than a log holds; the rest is left out"
Line = dict[str, Any]

_log = structlog.get_logger("urbancast.logs")
_heard: ContextVar[list[Line] | None] = ContextVar("heard", default=None)


def append(lake: Lake, product: str, run: str, lines: Sequence[Mapping[str, Any]]) -> int:
    """Add lines to a run's log, scrubbed; their number. A log that cannot be written costs the run nothing."""
    if not lines:
        return 0
    path = _path(product, run, str(lines[0].get("at", ""))[:10] or f"{datetime.now(UTC):%Y-%m-%d}")
    texts = [_text(line) for line in lines]
    try:
        before = lake.files.get(path) if lake.files.exists(path) else b""
        kept, added = _bounded(before, texts)
        if added:
            lake.files.put(path, kept)
    except (OSError, NotReadyError) as error:
        with _unheard():
            _log.warning("a run's log could not be written", product=product, run=run, error=str(error))
        return 0
    return added


def read(lake: Lake, product: str, run: str) -> list[Line]:
    """Lines of a run, the oldest first; none where nothing was kept, or no more."""
    name = _name(run)
    paths = [path for path in lake.files.list(f"{FOLDER}/{product}") if path.endswith(f"/{name}")]
    return [json.loads(line) for path in paths for line in lake.files.get(path).decode().splitlines()]


def kept(lake: Lake, product: str) -> list[str]:
    """Runs of a product that have a log, by day, the newest day last."""
    paths = lake.files.list(f"{FOLDER}/{product}")
    return list(dict.fromkeys(unquote(path.rpartition("/")[2].removesuffix(".jsonl")) for path in paths))


def expire(lake: Lake, *, before: date) -> int:
    """Remove the logs of days before ``before``, of every product; their number."""
    old = [path for path in lake.files.list(FOLDER) if path.split("/")[2] < before.isoformat()]
    for path in old:
        lake.files.remove(path)
    return len(old)


@contextmanager
def heard() -> Iterator[list[Line]]:
    """Collect what is logged through structlog within the block, in this thread, as lines."""
    _listen()
    lines: list[Line] = []
    token = _heard.set(lines)
    try:
        yield lines
    finally:
        _heard.reset(token)


def line(event: str, *, level: str = "info", **fields: Any) -> Line:
    """A line said now by this process."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"at": at, "level": level, "event": event, "pid": os.getpid(), **fields}


def _listen() -> None:
    """Put a listener before structlog's other processors, once."""
    processors = structlog.get_config()["processors"]
    if _hear not in processors:
        structlog.configure(processors=[_hear, *processors])


def _hear(_: Any, method: str, event: Any) -> Any:
    lines = _heard.get()
    if lines is not None and isinstance(event, Mapping):
        fields = {str(key): value for key, value in event.items() if key not in ("event", "level", "timestamp")}
        said = structlog.contextvars.get_contextvars()
        lines.append(line(str(event.get("event", "")), level=method, **{**said, **fields}))
    return event


@contextmanager
def _unheard() -> Iterator[None]:
    token = _heard.set(None)
    try:
        yield
    finally:
        _heard.reset(token)


def _text(given: Mapping[str, Any]) -> bytes:
    text = json.dumps(scrub.fields(given), default=str)
    if len(text) > LONGEST_LINE:
        short = {key: given[key] for key in ("at", "level", "event", "pid", "flow", "step") if key in given}
        text = json.dumps({**scrub.fields(short), "shortened": text[: LONGEST_LINE // 2]}, default=str)
    return text.encode() + b"\n"


def _bounded(before: bytes, texts: Sequence[bytes]) -> tuple[bytes, int]:
    """The log with as many of the texts as there is room for, and how many; the first left out leaves a note."""
    note = _text(line(FULL, level="warning"))
    if FULL.encode() in before[-2 * len(note) :]:
        return before, 0
    size = len(before)
    for added, text in enumerate(texts):
        size += len(text)
        if size > LONGEST_RUN - len(note):
            return b"".join([before, *texts[:added], note]), added + 1
    return b"".join([before, *texts]), len(texts)


def _path(product: str, run: str, day: str) -> str:
    return f"{FOLDER}/{product}/{day}/{_name(run)}"


def _name(run: str) -> str:
    return f"{quote(run, safe='-_.:')}.jsonl"
