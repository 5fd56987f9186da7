"""JSON from an engine elsewhere, by URL: bounded in time and size, and silent about what was asked."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from urbancast.core.errors import ContractError, PortalError

CONNECT_S, READ_S = 2.0, 8.0
MOST_BYTES = 16_000_000


class Remote:
    """One engine. What is asked holds a person's places, so neither errors nor logs repeat it."""

    def __init__(self, name: str, url: str, *, connect_s: float = CONNECT_S, read_s: float = READ_S) -> None:
        """Name the engine as errors shall; ``url`` is its root."""
        import urllib3

        if not url.startswith(("http://", "https://")):
            raise ContractError(f"{name}: expected a URL with http or https, found {url!r}; correct the environment")
        self.name = name
        self._root = url.rstrip("/")
        logging.getLogger("urllib3.connectionpool").setLevel(logging.WARNING)  # its debug lines hold the query
        self._pool = urllib3.PoolManager(
            maxsize=8, timeout=urllib3.Timeout(connect=connect_s, read=read_s), retries=False
        )

    def get(self, path: str, fields: Mapping[str, str]) -> tuple[int, Any]:
        """Status and JSON of a GET; PortalError where there is no such reply."""
        return self._ask("GET", path, fields=dict(fields))

    def post(self, path: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        """Status and JSON of a POST of JSON; PortalError where there is no such reply."""
        head = {"Content-Type": "application/json"}
        return self._ask("POST", path, body=json.dumps(body).encode(), headers=head)

    def _ask(self, method: str, path: str, **how: Any) -> tuple[int, Any]:
        import urllib3

        try:
            reply = self._pool.request(method, f"{self._root}{path}", preload_content=False, redirect=False, **how)
            with reply:
                text = reply.read(MOST_BYTES + 1, decode_content=True)
                if len(text) <= MOST_BYTES:
                    reply.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise self._failed(type(error).__name__) from None
        if reply.status >= 500 or reply.status == 429:
            raise self._failed(f"status {reply.status}")
        if len(text) > MOST_BYTES:
            raise self._failed(f"more than {MOST_BYTES:,} bytes")
        try:
            return reply.status, json.loads(text)
        except ValueError:
            raise self._failed(f"status {reply.status} with something else than JSON") from None

    def _failed(self, found: str) -> PortalError:
        return PortalError(f"{self.name}: expected an answer in JSON, found {found}; it is asked again next time")
