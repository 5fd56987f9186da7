"""Keys in force, asked of the lake's newest commit at each use, so that a revoked key opens nothing any more."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from hashlib import blake2b
from time import monotonic

from anyio import CapacityLimiter, to_thread
from deltalake.exceptions import DeltaError

from urbancast.core.errors import NotReadyError
from urbancast.lake import keys
from urbancast.lake.keys import Key
from urbancast.lake.store import Lake

REMEMBERED_S = 300.0
MOST_REMEMBERED = 1000
AT_ONCE = 2  # verifications; each takes 19 MiB


class Keyring:
    """Finds the key of a text. A verified text is remembered by a digest whose key dies with this process."""

    def __init__(self, lake: Callable[[], Lake], *, elapsed: Callable[[], float] = monotonic) -> None:
        """Remember where to look; ``lake`` opens it."""
        self._open, self._elapsed = lake, elapsed
        self._salt = secrets.token_bytes(32)
        self._known: tuple[int, dict[str, Key]] = (-2, {})
        self._verified: dict[bytes, tuple[str, float]] = {}
        self._turns = CapacityLimiter(AT_ONCE)

    async def holder(self, text: str) -> Key | None:
        """The key in force that a text opens: about 25 ms off the event loop, then remembered for five minutes."""
        known = await self._in_force()
        digest = blake2b(text.encode("utf-8", "replace"), key=self._salt, digest_size=32).digest()
        name, until = self._verified.get(digest, ("", 0.0))
        if name and until > self._elapsed():
            return known.get(name)
        found = await to_thread.run_sync(keys.verify, known, text, limiter=self._turns)
        if found is not None:
            if len(self._verified) >= MOST_REMEMBERED:
                self._verified.clear()
            self._verified[digest] = (found.key, self._elapsed() + REMEMBERED_S)
        return found

    def is_remembered(self, text: str) -> bool:
        """Whether a text was verified a short while ago, so that asking again costs nothing."""
        digest = blake2b(text.encode("utf-8", "replace"), key=self._salt, digest_size=32).digest()
        return self._verified.get(digest, ("", 0.0))[1] > self._elapsed()

    async def named(self, key: str) -> Key | None:
        """The key in force of a public part."""
        return (await self._in_force()).get(key)

    async def _in_force(self) -> dict[str, Key]:
        return await to_thread.run_sync(self._look)

    def _look(self) -> dict[str, Key]:
        """Keys of the table's newest commit, read again only where there is one."""
        try:
            lake = self._open()
            version = lake.version("keys")
            if version != self._known[0]:
                self._known = (version, keys.active(lake))
        except (DeltaError, OSError) as error:
            raise NotReadyError("the keys cannot be read just now; try again in a moment") from error
        return self._known[1]
