"""Keys: who may look behind the login, and who may act there. The secret is shown once and kept nowhere."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal, cast, get_args

import polars as pl
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from urbancast.core.errors import ContractError, QueryError
from urbancast.lake.once import add_once
from urbancast.lake.store import Lake

ALL = "all"  # keys are of no product
Role = Literal["reader", "operator"]
ROLES: tuple[str, ...] = get_args(Role)
ID_LENGTH, SECRET_BYTES = 12, 32
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_FORM = re.compile(r"uc_([a-z2-7]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
_NAME = re.compile(r"[^\W_](?:[\w .@-]{0,62}[\w.@-])?")


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key in force, by its public part; ``hash`` is argon2's."""

    key: str
    name: str
    role: Role
    hash: str


def new(lake: Lake, *, name: str, role: str, at: datetime) -> tuple[Key, str]:
    """Make a key; the text beside it is the only copy of what its holder must keep."""
    if not _NAME.fullmatch(name):
        raise ContractError(
            f"keys.name: expected 1 to 64 letters, digits, spaces or . @ - _, found {name[:80]!r}; name the holder so"
        )
    if role not in ROLES:
        raise ContractError(f"keys.role: expected one of {', '.join(ROLES)}, found {role[:80]!r}; name one of them")
    if any(each.name == name for each in active(lake).values()):
        raise ContractError(
            f"keys.name: expected a name that no key in force has, found {name!r}; revoke that key first, "
            "or name this one otherwise: the audit log tells them apart by name"
        )
    key = "".join(secrets.choice(_ALPHABET) for _ in range(ID_LENGTH))
    secret = secrets.token_urlsafe(SECRET_BYTES)
    made = Key(key=key, name=name, role=cast("Role", role), hash=_hasher().hash(secret))
    add_once(lake, "keys", _row(made, "active", at))
    return made, f"uc_{key}_{secret}"


def revoke(lake: Lake, key: str, *, at: datetime) -> Key:
    """End a key by its public part or by its holder's name; it opens nothing from the next request on."""
    known = active(lake)
    found = known.get(key) or next((each for each in known.values() if each.name == key), None)
    if found is None:
        shown = key[:15] + "…" if key.startswith("uc_") else key[:80]
        raise QueryError(
            "unknown-key",
            expected="the id or the name of a key in force",
            found=repr(shown),
            action="`urbancast keys list` shows them",
            status=404,
        )
    add_once(lake, "keys", _row(found, "revoked", at))
    return found


def active(lake: Lake) -> dict[str, Key]:
    """Keys in force by their public part."""
    rows = lake.scan("keys", product=ALL).sort("at").collect()
    ended = set(rows.filter(pl.col("state").cast(pl.String) == "revoked")["key"])
    return {
        row["key"]: Key(key=row["key"], name=row["name"], role=row["role"], hash=row["hash"])
        for row in rows.iter_rows(named=True)
        if row["key"] not in ended
    }


def listed(lake: Lake) -> list[dict[str, Any]]:
    """Every key ever made, the oldest first, without its hash: key, name, role, made_at, revoked_at."""
    is_made = pl.col("state").cast(pl.String) == "active"
    rows = lake.scan("keys", product=ALL)
    made = rows.filter(is_made).select("key", "name", pl.col("role").cast(pl.String), made_at="at")
    ended = rows.filter(~is_made).select("key", revoked_at="at")
    return made.join(ended, on="key", how="left").sort("made_at", "key").collect().to_dicts()


def split(text: str) -> tuple[str, str] | None:
    """Public part and secret of a key's text; None where it has not the form of one."""
    found = _FORM.fullmatch(text)
    return (found[1], found[2]) if found else None


def verify(known: Mapping[str, Key], text: str) -> Key | None:
    """The key a text opens, or None; about 25 ms, an unknown key costs what a wrong one does."""
    key, secret = split(text) or ("", text[:100])
    found = known.get(key)
    try:
        _hasher().verify(found.hash if found else _nobody(), secret)
    except (VerificationError, InvalidHashError):
        return None
    return found


@cache
def _hasher() -> PasswordHasher:
    """Argon2id as OWASP advises at the least (19 MiB, two passes): the secret has 256 bits and is no one's word."""
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@cache
def _nobody() -> str:
    return _hasher().hash(secrets.token_urlsafe(SECRET_BYTES))


def _row(key: Key, state: str, at: datetime) -> pl.DataFrame:
    columns = {"product": ALL, "key": key.key, "name": key.name, "role": key.role, "hash": key.hash}
    return pl.DataFrame([{**columns, "state": state, "at": at}])
