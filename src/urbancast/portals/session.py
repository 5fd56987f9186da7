"""A polite HTTP session: time-outs, back-off, Retry-After, ETag, size limit, host allow-list."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import stamina

from urbancast.core.errors import PortalError
from urbancast.core.product import Source
from urbancast.portals import media
from urbancast.portals.cache import Cache, Kept
from urbancast.portals.errors import AbsentError, PassingError
from urbancast.settings import settings

USER_AGENT = "urbancast/0.1 (open forecasts; polite client)"
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_OK, _PARTIAL, _NOT_MODIFIED = 200, 206, 304
_ABSENT = frozenset({404, 410})
_LONGEST_MESSAGE = 300


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How patient a session is; times in seconds, sizes in bytes. ``wait_initial_s=0`` never sleeps."""

    attempts: int = 4
    wait_initial_s: float = 0.5
    wait_max_s: float = 30.0
    connect_s: float = 10.0
    read_s: float = 60.0
    size_limit: int = 2 << 30


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One verified answer; ``is_cached`` when the portal said that nothing has changed."""

    url: str
    payload: bytes
    media: str
    headers: Mapping[str, str] = field(default_factory=dict)
    is_cached: bool = False


class Session(AbstractContextManager["Session"]):
    """HTTP for portals. ``hosts`` are the only ones asked, with those of URBANCAST_PORTAL_HOSTS."""

    def __init__(self, *, hosts: Iterable[str] = (), policy: Policy | None = None, folder: Path | None = None) -> None:
        """Keep answers for ETags in ``folder``; in memory without one."""
        self.policy = policy or Policy()
        more = (host.strip() for host in settings().portal_hosts.split(","))
        self.hosts = frozenset(host.lower() for host in (*hosts, *more) if host)
        self.folder = folder
        self._cache = Cache(folder)
        self._client = httpx.Client(
            timeout=httpx.Timeout(self.policy.read_s, connect=self.policy.connect_s),
            follow_redirects=True,
            verify=_trust(),
            headers={"User-Agent": USER_AGENT},
            event_hooks={"request": [self._check_host]},
        )

    @classmethod
    def of(
        cls, *sources: Source, link: str | None = None, policy: Policy | None = None, folder: Path | None = None
    ) -> Self:
        """Return a session that may ask the hosts of ``sources``, and of ``link`` where that is a URL."""
        hosts = [host_of(source.url) for source in sources]
        return cls(hosts=[*hosts, host_of(link or "")], policy=policy, folder=folder)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all connections."""
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def get(
        self,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the whole answer to a GET; PortalError once the policy's patience is spent."""
        target = httpx.URL(url, params=dict(params)) if params else httpx.URL(url)
        for attempt in self.retrying():
            with attempt:
                return self._once(target, dict(headers or {}))
        raise AssertionError("unreachable: stamina raises the last error")

    def headers(self, url: str) -> Mapping[str, str]:
        """Return what a HEAD tells of a file, names in lower case; PortalError as of ``get``."""
        for attempt in self.retrying():
            with attempt, self.stream(url, {}, method="HEAD") as response:
                check_status(response)
                return dict(response.headers)
        raise AssertionError("unreachable: stamina raises the last error")

    def retrying(self) -> Iterable[AbstractContextManager[Any]]:
        """Attempts with back-off, as the policy allows; only passing faults are tried again."""
        policy = self.policy
        return stamina.retry_context(
            on=self._wait,
            attempts=policy.attempts,
            timeout=None,
            wait_initial=policy.wait_initial_s,
            wait_max=policy.wait_max_s if policy.wait_initial_s else 0,
            wait_jitter=policy.wait_initial_s,
        )

    def stream(
        self, url: httpx.URL | str, headers: Mapping[str, str], *, method: str = "GET"
    ) -> AbstractContextManager[httpx.Response]:
        """One attempt, open; transport faults inside become ``PassingError``."""
        return _Opened(self._client, method, httpx.URL(url), headers)

    def _once(self, url: httpx.URL, headers: dict[str, str]) -> Answer:
        kept = self._cache.get(str(url))
        if kept is not None:
            headers = {**headers, "If-None-Match": kept.etag}
        with self.stream(url, headers) as response:
            if response.status_code == _NOT_MODIFIED and kept is not None:
                return Answer(url=str(url), payload=kept.payload, media=kept.media, is_cached=True)
            check_status(response)
            payload = self._read(response)
        found = response.headers.get("content-type", "")
        check_not_html(payload, found, url=str(url))
        etag = response.headers.get("etag")
        if etag:
            self._cache.put(str(url), Kept(etag=etag, media=found, payload=payload))
        return Answer(url=str(url), payload=payload, media=found, headers=dict(response.headers))

    def _read(self, response: httpx.Response) -> bytes:
        parts, size = [], 0
        for part in response.iter_bytes():
            size += len(part)
            if size > self.policy.size_limit:
                raise PortalError(
                    f"portal: expected at most {self.policy.size_limit} bytes from {response.url.host}, found more; "
                    "ask for a shorter window",
                )
            parts.append(part)
        return b"".join(parts)

    def _check_host(self, request: httpx.Request) -> None:
        host = request.url.host.lower()
        if host not in self.hosts:
            raise PortalError(
                f"portal: expected a host among {', '.join(sorted(self.hosts)) or '(none)'}, found {host!r}; "
                "add it to URBANCAST_PORTAL_HOSTS if you trust it",
            )

    def _wait(self, error: Exception) -> bool | float:
        if not isinstance(error, PassingError):
            return False
        if error.retry_after_s is None:
            return True
        # Longer than our patience: not worth holding the run for.
        return error.retry_after_s if error.retry_after_s <= self.policy.wait_max_s else False


class _Opened(AbstractContextManager[httpx.Response]):
    def __init__(self, client: httpx.Client, method: str, url: httpx.URL, headers: Mapping[str, str]) -> None:
        self._host = url.host
        self._stream = client.stream(method, url, headers=dict(headers))

    def __enter__(self) -> httpx.Response:
        try:
            return self._stream.__enter__()
        except httpx.TransportError as error:
            raise self._passing(error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.__exit__(kind, error, trace)
        if isinstance(error, httpx.TransportError | httpx.DecodingError):
            raise self._passing(error) from error

    def _passing(self, error: Exception) -> PassingError:
        what = str(error) or "nothing"
        return PassingError(
            f"portal: expected a whole answer from {self._host}, found {type(error).__name__} ({what}); "
            "try again later",
        )


@cache
def _trust() -> ssl.SSLContext:
    """Certificates, read once a process: that takes longer than most answers."""
    return httpx.create_ssl_context()


def host_of(url: str) -> str:
    """Host name of a URL, empty for a path."""
    return (urlsplit(url).hostname or "") if "://" in url else ""


def check_status(response: httpx.Response) -> None:
    """PortalError unless the answer is a whole or partial success."""
    status = response.status_code
    if status in (_OK, _PARTIAL):
        return
    host = response.url.host
    if status in _PASSING:
        after = _retry_after_s(response.headers.get("retry-after"), response.headers.get("date"))
        raise PassingError(f"portal: expected 200 from {host}, found {status}; try again later", after)
    said = response.read()[:_LONGEST_MESSAGE].decode("utf-8", "replace")
    kind = AbsentError if status in _ABSENT else PortalError
    raise kind(f"portal: expected 200 from {host}, found {status} ({said}); check the source's query")


def check_not_html(payload: bytes, declared: str, *, url: str) -> None:
    """A web page with status 200 is a fault that may pass: a maintenance page, a captive portal."""
    if declared.startswith("text/html") or media.looks_like_html(payload):
        raise PassingError(f"portal: expected data from {host_of(url)}, found a web page; try again later")


def _retry_after_s(value: str | None, sent: str | None) -> float | None:
    """Seconds to wait: as a number, or as a date against the answer's own ``Date``."""
    if value is None or value.strip().isdigit():
        return None if value is None else float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(sent or "")).total_seconds())
    except (ValueError, TypeError):  # not a date, or one without a time zone
        return None
