"""Scrub: what is written down for operators, without where somebody is or goes and without secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REMOVED = "[removed]"
LONGEST = 4_000  # of one text; a stack of messages says enough in so many letters
# A field is one of these if any word of its name is: `home_lat`, `X-Api-Key`, `authToken`.
_LOCATIONS = frozenset({"lat", "lon", "lng", "latitude", "longitude", "coordinates", "address", "addresses", "heading"})
_SECRETS = frozenset(
    {"authorization", "auth", "token", "tokens", "key", "keys", "apikey", "secret", "secrets", "password", "passwd"}
    | {"pwd", "passphrase", "cookie", "cookies", "csrf", "session", "credential", "credentials", "signature", "jwt"}
)
_PRIVATE = _LOCATIONS | _SECRETS
_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
# Lengths are bounded: a text of one long word must not take minutes.
_USER = re.compile(r"(\b\w[\w+.-]{0,15}://)[^/\s@]+@")
_QUERY = re.compile(r"(\b\w[\w+.-]{0,15}://[^\s?#'\"]*|(?<![\w/])/[\w./-]+)[?#][^\s'\"]+")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+", re.IGNORECASE)
_KNOWN_SECRETS = re.compile(r"\b(?:uc_\w+|A[KS]IA[A-Z0-9]{12,}|eyJ[\w-]+\.[\w-]+\.[\w-]*)")
_PAIRS = re.compile(r"(?<![\d.])-?\d{1,3}\.\d{3,}\s*[,;/ ]\s*-?\d{1,3}\.\d{3,}(?![\d.])")
_NAMED = re.compile(
    rf"\b((?:[\w-]{{0,40}}[_-])?(?:{'|'.join(sorted(_PRIVATE, key=len, reverse=True))}))"
    r"(['\"]?\s*[=:]\s*)(?!\[removed\])('[^']*'|\"[^\"]*\"|[^\s,;&}\]]+)",
    re.IGNORECASE,
)


def fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, scrubbed at any depth: values of private names are removed, texts are scrubbed."""
    return {str(name): REMOVED if _is_private(str(name)) else _value(value) for name, value in given.items()}


def text(given: str) -> str:
    """The text without query strings, users in URLs, tokens, ``name=value`` of private names and coordinates."""
    given = given if len(given) <= LONGEST else f"{given[:LONGEST]}…"
    for pattern, instead in (
        (_USER, r"\1"),
        (_QUERY, rf"\1?{REMOVED}"),
        (_BEARER, rf"\1 {REMOVED}"),
        (_KNOWN_SECRETS, REMOVED),
        (_NAMED, rf"\1\2{REMOVED}"),
        (_PAIRS, REMOVED),
    ):
        given = pattern.sub(instead, given)
    return given


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return fields(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(one) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return text(str(value))


def _is_private(name: str) -> bool:
    return any(word.lower() in _PRIVATE for word in _WORDS.findall(name))
