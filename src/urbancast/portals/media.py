"""Media types the portals speak, and how bytes are told apart."""

from __future__ import annotations

JSON = "application/json"
OPEN_METEO = "application/vnd.open-meteo+json"
GEOJSON = "application/geo+json"
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
SHAPEFILE = "application/x-shapefile"  # a zip of .shp, .dbf and perhaps .shx, .prj, .cpg
ZIP = "application/zip"
OSM = "application/vnd.openstreetmap.data+xml"
OSM_PBF = "application/vnd.openstreetmap.data+pbf"

BY_SUFFIX = {
    ".json": JSON,
    ".geojson": GEOJSON,
    ".csv": CSV,
    ".txt": CSV,
    ".tsv": CSV,
    ".parquet": PARQUET,
    ".zip": ZIP,
    ".shp": SHAPEFILE,
    ".osm": OSM,
    ".pbf": OSM_PBF,
}
_ALIASES = {
    "application/vnd.geo+json": GEOJSON,
    "application/csv": CSV,
    "text/comma-separated-values": CSV,
    "application/parquet": PARQUET,
    "application/x-parquet": PARQUET,
    "application/x-zip-compressed": ZIP,
}
_SAYS_NOTHING = {"", "application/octet-stream", "binary/octet-stream", "text/plain"}


def looks_like_html(payload: bytes) -> bool:
    """True when the bytes begin as a web page does."""
    start = payload[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html"))


def of(declared: str, name: str, payload: bytes = b"") -> str:
    """Media type by the suffix of ``name`` where that is known, else as declared, else by the bytes."""
    stem = name.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1]
    suffix = "." + stem.rsplit(".", 1)[-1].lower()
    said = declared.split(";", 1)[0].strip().lower()
    kind = BY_SUFFIX.get(suffix) or _ALIASES.get(said, said)
    return sniff(payload) if kind in _SAYS_NOTHING and payload else kind


def sniff(payload: bytes) -> str:
    """Media type by the bytes alone, for raw pages kept without one."""
    start = payload[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if b"OSMHeader" in payload[:64]:
        return OSM_PBF
    if start.startswith(b"<") and b"<osm" in start:
        return OSM
    if payload.startswith(b"PAR1"):
        return PARQUET
    if payload.startswith(b"PK\x03\x04"):
        return ZIP
    if start.startswith(b"{") and b'"hourly' in start:
        return OPEN_METEO
    return JSON if start.startswith((b"[", b"{")) else CSV
