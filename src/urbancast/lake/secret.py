"""The secret that signs sessions: made once, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from urbancast.core.errors import ContractError
from urbancast.lake.store import Lake

FOLDER = "private"  # no part of a backup
PATH = f"{FOLDER}/session.secret"
LEAST = 32


def session_secret(lake: Lake, given: str = "") -> bytes:
    """The secret given by the environment, else the lake's own, made where there is none."""
    if given:
        return require_long(given).encode()
    if not lake.files.exists(PATH):
        _make(lake)
    return lake.files.get(PATH)


def require_long(given: str) -> str:
    """The same secret, or none; ContractError for one that could be guessed."""
    if given and len(given) < LEAST:
        raise ContractError(
            f"URBANCAST_SECRET: expected at least {LEAST} characters, found {len(given)}; "
            "make one with `openssl rand -hex 32`"
        )
    return given


def _make(lake: Lake) -> None:
    """Write a new secret; of two processes that try at once, both then read the same."""
    fresh = secrets.token_hex(LEAST).encode()
    if "://" in lake.url:  # an object store keeps files by its own rules of access
        lake.files.put(PATH, fresh)
        return
    target = Path(lake.url) / PATH
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = target.with_name(f".{secrets.token_hex(8)}.part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(fresh)
        handle.flush()
        os.fsync(handle.fileno())
    with suppress(FileExistsError):
        os.link(draft, target)
    draft.unlink()
