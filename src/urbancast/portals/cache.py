"""Answers kept for their ETags: in a folder, or in memory up to a budget."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import orjson

MEMORY_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A kept answer."""

    etag: str
    media: str
    payload: bytes


class Cache:
    """Newest answer by URL; in memory the oldest go first."""

    def __init__(self, folder: Path | None) -> None:
        """Keep in ``folder``, in memory without one."""
        self._folder = folder
        self._memory: OrderedDict[str, Kept] = OrderedDict()

    def get(self, url: str) -> Kept | None:
        """Return what is kept for ``url``; a damaged entry counts as none."""
        if self._folder is None:
            return self._memory.get(url)
        path = _path(self._folder, url)
        if not path.exists():
            return None
        head, _, payload = path.read_bytes().partition(b"\n")
        facts = orjson.loads(head)
        if hashlib.sha256(payload).hexdigest() != facts["sha256"]:
            return None
        return Kept(etag=facts["etag"], media=facts["media"], payload=payload)

    def put(self, url: str, kept: Kept) -> None:
        """Keep the answer, atomically."""
        if self._folder is not None:
            sha256 = hashlib.sha256(kept.payload).hexdigest()
            head = orjson.dumps({"etag": kept.etag, "media": kept.media, "sha256": sha256, "url": url})
            path = _path(self._folder, url)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}.new")
            part.write_bytes(head + b"\n" + kept.payload)
            part.replace(path)
        elif len(kept.payload) <= MEMORY_BYTES:
            self._memory[url] = kept
            self._memory.move_to_end(url)
            while sum(len(entry.payload) for entry in self._memory.values()) > MEMORY_BYTES:
                self._memory.popitem(last=False)


def _path(folder: Path, url: str) -> Path:
    return folder / "answers" / hashlib.sha256(url.encode()).hexdigest()
