"""Built roads as files of the lake: what was built from inputs, and what is served, named by its content."""

from __future__ import annotations

import hashlib

from urbancast.lake.store import Lake

_FOLDER = "network"


def built(lake: Lake, product: str, key: str) -> bytes | None:
    """Bytes built from the inputs of this key; null where they were not built yet."""
    path = f"{_FOLDER}/{product}/built-{key}.zip"
    return lake.files.get(path) if lake.files.exists(path) else None


def put(lake: Lake, product: str, key: str, payload: bytes) -> None:
    """Keep what was built from the inputs of a key."""
    lake.files.put(f"{_FOLDER}/{product}/built-{key}.zip", payload)


def keep(lake: Lake, product: str, payload: bytes) -> str:
    """Keep what is to be served; its name, the same for the same bytes."""
    name = hashlib.sha256(payload).hexdigest()[:24]
    if not lake.files.exists(_path(product, name)):
        lake.files.put(_path(product, name), payload)
    return name


def load(lake: Lake, product: str, name: str) -> bytes:
    """Bytes by their name; NotReadyError where there are none."""
    return lake.files.get(_path(product, name))


def _path(product: str, name: str) -> str:
    return f"{_FOLDER}/{product}/{name}.zip"
