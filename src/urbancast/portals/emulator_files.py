"""Files as the emulator serves them: whole or by Range, with an ETag."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime

import orjson
import polars as pl
import shapely

from urbancast.core.product import Window
from urbancast.core.time import UTC_US, local_midnight
from urbancast.portals import media
from urbancast.portals.emulator_data import Dataset, Stage
from urbancast.portals.emulator_reply import RefusedError, Reply
from urbancast.portals.shapes import GEOMETRY

_QUARTER = re.compile(r"(.+)-(\d{4})-Q([1-4])$")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)$")
_MEDIA = {"csv": media.CSV, "parquet": media.PARQUET, "geojson": media.GEOJSON}


def find(datasets: Iterable[Dataset], name: str) -> Dataset | None:
    """Dataset whose file has this name, be it one of its periods."""
    quarter = _QUARTER.match(name)
    for dataset in datasets:
        is_named = dataset.id == name or (dataset.every and quarter and quarter.group(1) == dataset.id)
        if dataset.protocol == "file" and is_named:
            return dataset
    return None


def head(dataset: Dataset, name: str, *, stage: Stage) -> Reply:
    """Answer a HEAD: when the file was last changed."""
    changed = _published(dataset, name)[1] if dataset.every else stage.tables.modified(dataset)
    if changed > stage.tables.now():
        raise _absent(name)
    return Reply(media=_MEDIA[dataset.form], headers={"Last-Modified": format_datetime(changed, usegmt=True)})


def answer(dataset: Dataset, name: str, headers: Mapping[str, str], *, stage: Stage) -> Reply:
    """Answer with the file as of the clock, or with the part asked for."""
    frame = _quarter(dataset, name, stage) if dataset.every else stage.tables.rows(dataset)
    body = _bytes(dataset, name, stage.faults.of_columns(frame, f"files/{name}"))
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    told = {"ETag": etag, "Accept-Ranges": "bytes"}
    if headers.get("if-none-match") == etag:
        return Reply(status=304, headers=told)
    asked = _RANGE.match(headers.get("range", ""))
    if asked is None or headers.get("if-range", etag) != etag:
        return Reply(body=body, media=_MEDIA[dataset.form], headers=told)
    first, last = int(asked.group(1)), int(asked.group(2) or len(body) - 1)
    if first >= len(body):
        return Reply(status=416, headers={**told, "Content-Range": f"bytes */{len(body)}"})
    told["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
    return Reply(status=206, body=body[first : last + 1], media=_MEDIA[dataset.form], headers=told)


def _quarter(dataset: Dataset, name: str, stage: Stage) -> pl.DataFrame:
    """Rows of one quarter; RefusedError before its publication."""
    window, published = _published(dataset, name)
    now = stage.tables.now()
    if published > now:
        raise _absent(name)
    frame = dataset.rows(window)
    return dataset.revised(frame, now) if dataset.revised else frame


def _published(dataset: Dataset, name: str) -> tuple[Window, datetime]:
    """What the file of a quarter holds, and when it is published."""
    found = _QUARTER.match(name)
    if found is None:
        raise _absent(name)
    first = date(int(found.group(2)), 3 * int(found.group(3)) - 2, 1)
    start, end = (local_midnight(day, dataset.tz) for day in (first, (first + timedelta(days=95)).replace(day=1)))
    publish = dataset.published or (lambda time: time)
    last = pl.lit(end - timedelta(hours=1), dtype=UTC_US)
    published: datetime = pl.select(at=publish(last).cast(UTC_US))["at"][0]
    return Window(start=start, end=end), published.astimezone(UTC)


def _absent(name: str) -> RefusedError:
    return RefusedError(404, {"error": True, "message": f"Not found: {name}"})


def _bytes(dataset: Dataset, name: str, frame: pl.DataFrame) -> bytes:
    if dataset.written is not None:
        return dataset.written(frame, name)
    if dataset.form == "parquet":
        store = io.BytesIO()
        frame.write_parquet(store)
        return store.getvalue()
    if dataset.form == "geojson":
        return _geojson(frame)
    text = frame.write_csv(separator=dataset.separator, include_header=dataset.has_header)
    return text.encode(dataset.encoding)


def _geojson(frame: pl.DataFrame) -> bytes:
    shapes = shapely.to_geojson(shapely.from_wkb(frame[GEOMETRY].to_list()))
    properties = frame.drop(GEOMETRY).to_dicts()
    features = [
        {"type": "Feature", "properties": about, "geometry": orjson.loads(shape) if shape else None}
        for about, shape in zip(properties, shapes, strict=True)
    ]
    return orjson.dumps({"type": "FeatureCollection", "features": features})
