"""Log in, see who one is, log out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, SecretStr, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from urbancast.api import access
from urbancast.api.access import Reader
from urbancast.api.limits import client_of
from urbancast.api.names import LOOPBACK, host_name
from urbancast.api.payload import JSON, encode
from urbancast.api.schemas import responses
from urbancast.api.sessions import COOKIE, LIFETIME, Session
from urbancast.core.time import iso
from urbancast.lake.keys import Role
from urbancast.settings import settings

router = APIRouter(prefix="/v1/session", tags=["operating"])
SESSION = {"name": "ana", "role": "operator", "csrf": "6f2c…", "expires_at": "2026-11-21T18:00:00Z"}


class Login(BaseModel):
    """A key as it was shown when it was made."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"key": "uc_abcdefghijkl_…"}]})

    key: Annotated[SecretStr, StringConstraints(max_length=200)]


@router.post("", summary="Log in with a key", responses=responses(SESSION, 401, 403, 413, 422, 429, 503))
async def log_in(request: Request, login: Login) -> Response:
    """Begin a session of eight hours: an HttpOnly cookie, and the token that changes must carry as X-CSRF-Token."""
    access.require_own_origin(request)
    door = access.of(request)
    key = await door.key(login.key.get_secret_value().strip(), client_of(request.scope), action="login")
    token, session = (await door.sessions()).begin(key.key, door.clock())
    await door.auditor.record(key.name, "login", subject=key.key)
    response = _told(key.name, key.role, session)
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(LIFETIME.total_seconds()),
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="strict",
    )
    return response


@router.get("", summary="Who you are", responses=responses(SESSION, 401, 503))
async def session(who: Reader) -> Response:
    """Return name and role of the session, or of the key sent; `csrf` and `expires_at` are a session's."""
    return _told(who.name, who.role, who.session)


@router.delete("", summary="Log out", responses=responses({"ended": True}, 401, 403, 503))
async def log_out(request: Request, who: Reader) -> Response:
    """End the session: its cookie opens nothing any more."""
    door = access.of(request)
    if who.session is not None:
        (await door.sessions()).end(who.session, door.clock())
        await door.auditor.record(who.name, "logout", subject=who.key)
    response = _answer({"ended": who.session is not None})
    response.delete_cookie(COOKIE, path="/", secure=_is_secure(request), httponly=True, samesite="strict")
    return response


def _told(name: str, role: Role, session: Session | None) -> Response:
    ends = iso(session.expires_at) if session else None
    return _answer({"name": name, "role": role, "csrf": session.csrf if session else None, "expires_at": ends})


def _answer(content: dict[str, Any]) -> Response:
    return Response(encode(content), headers={"Cache-Control": "no-store"}, media_type=JSON)


def _is_secure(request: Request) -> bool:
    """Whether the cookie is for TLS alone: always, but where one asks by a loopback name without TLS."""
    told = settings().cookie_secure
    if told is not None:
        return told
    return request.url.scheme == "https" or host_name(request.headers.get("host", "")) not in LOOPBACK
