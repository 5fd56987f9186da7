"""Files as the emulator serves them: whole or by Range, with an ETag."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping

import orjson
import polars as pl
import shapely

from urbancast.portals import media
from urbancast.portals.emulator_data import Dataset, Stage
from urbancast.portals.emulator_reply import Reply
from urbancast.portals.shapes import GEOMETRY

_RANGE = re.compile(r"bytes=(\d+)-(\d*)$")
_MEDIA = {"csv": media.CSV, "parquet": media.PARQUET, "geojson": media.GEOJSON}


def answer(dataset: Dataset, headers: Mapping[str, str], *, stage: Stage) -> Reply:
    """Answer with the file as of the clock, or with the part asked for."""
    body = _bytes(dataset, stage.faults.of_columns(stage.tables.rows(dataset), f"files/{dataset.id}"))
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


def _bytes(dataset: Dataset, frame: pl.DataFrame) -> bytes:
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
