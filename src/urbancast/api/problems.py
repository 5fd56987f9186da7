"""One table from errors to HTTP: every failure is a named problem+json, never a bare 500."""

from __future__ import annotations

import json
import re
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from urbancast.api.payload import encode
from urbancast.core.errors import ContractError, NotReadyError, PortalError, QueryError, UrbancastError

MEDIA = "application/problem+json"
RETRY_AFTER_S = 5
STATES: dict[str, tuple[int, str]] = {
    "no-key": (401, "Needs a key or a session"),
    "wrong-key": (401, "Key or session not valid"),
    "role-too-small": (403, "Needs another role"),
    "no-csrf-token": (403, "Needs the session's token"),
    "cross-site": (403, "Asked from another site"),
    "unknown-product": (404, "No such product"),
    "unknown-place": (404, "No such place"),
    "unknown-measure": (404, "No such measure"),
    "unknown-table": (404, "No such table to export"),
    "address-unknown": (404, "Address not found"),
    "unknown-ui": (404, "Not behind this login"),
    "unknown-day": (404, "No entries on that day"),
    "unknown-run": (404, "No such run"),
    "unknown-report": (404, "No such report"),
    "unknown-runbook": (404, "No such runbook"),
    "no-such-lens": (404, "Not answered for this product"),
    "not-found": (404, "No such page"),
    "method-not-allowed": (405, "Method not allowed"),
    "known-request": (409, "This id has asked for something else"),
    "too-large": (413, "Request too large"),
    "unknown-host": (421, "Not served under this host name"),
    "malformed-time": (422, "Time not understood"),
    "malformed-query": (422, "Question not understood"),
    "beyond-horizon": (422, "Later than the last forecast"),
    "before-record": (422, "Earlier than the record kept here"),
    "historical": (422, "The source has ended: replay only"),
    "service-level-not-forecast": (422, "Service level outside what was forecast"),
    "level-and-costs": (422, "A service level or costs, not both"),
    "negative-cost": (422, "Cost not understood"),
    "malformed-turns": (422, "Turns not understood"),
    "malformed-fleet": (422, "Fleet not understood"),
    "malformed-standing": (422, "Standing vehicles not understood"),
    "outside-area": (422, "Outside the served area"),
    "no-road-data": (422, "No road data here"),
    "same-ends": (422, "Start and destination are the same"),
    "no-path": (422, "No road joins the two"),
    "needs-two-ends": (422, "Needs a start and a destination"),
    "needs-boundaries": (422, "Needs real boundaries"),
    "ambiguous-address": (422, "More than one place of that name"),
    "unknown-verb": (422, "No such action"),
    "unknown-argument": (422, "Not an argument of this action"),
    "unknown-release": (422, "No such release"),
    "nothing-served": (422, "Nothing is served yet"),
    "too-many-requests": (429, "Too many requests"),
    "broken-contract": (500, "Stored data break their contract"),
    "internal": (500, "Something broke on our side"),
    "ui-unreachable": (502, "The interface behind the login does not answer"),
    "portal-failed": (502, "A data portal failed"),
    "not-ready": (503, "Nothing to answer with yet"),
}
_BY_ERROR: tuple[tuple[type[UrbancastError], str], ...] = (
    (NotReadyError, "not-ready"),
    (PortalError, "portal-failed"),
    (ContractError, "broken-contract"),
)
_BY_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

_KEY = re.compile(r"uc_[\w-]{8,}")
_FIELD = re.compile(r"(?!str$)[a-z0-9_]+")
_DICTIONARY = re.compile(r"dictionary( or (instance of \w+|object to extract fields from))?")

log = structlog.get_logger("urbancast.api")


class AmbiguousError(QueryError):
    """An address that names several places; carries them."""

    def __init__(self, text: str, candidates: list[dict[str, Any]]) -> None:
        """Keep the candidates, nearest in spelling first."""
        super().__init__(
            "ambiguous-address",
            expected="a name that means one place",
            found=f"{len(candidates)} places for {shown(text)}",
            action="pick one of `candidates` and ask for its `place`",
        )
        self.candidates = candidates


class RefusedError(QueryError):
    """Refused at the door; carries the headers that say how to come in."""

    def __init__(self, state: str, *, expected: str, found: str, action: str, headers: dict[str, str]) -> None:
        """Keep the headers; the status is the state's."""
        super().__init__(state, expected=expected, found=found, action=action, status=STATES[state][0])
        self.headers = headers


def shown(value: object, limit: int = 80) -> str:
    """Quoted text of a bad value, printable and at most ``limit`` characters."""
    text = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(value))
    return f"{text[:limit]}…" if len(text) > limit else f"'{text}'"


def told(value: object) -> str:
    """Any bad value as JSON, quoted as by `shown`; a key is not repeated."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shown(_KEY.sub("uc_…", text))


def problem(state: str, detail: str, **members: Any) -> Response:
    """Problem response of a state of the table; ``members`` are expected, found, action and extensions."""
    status, title = STATES.get(state, (422, "Question cannot be answered"))
    head = members.pop("headers", None) or ({"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {})
    content = {
        "type": f"urn:urbancast:problem:{state}",
        "title": title,
        "status": status,
        "detail": _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", detail),
        "state": state,
        "expected": members.pop("expected", None),
        "found": members.pop("found", None),
        "action": members.pop("action", None),
        **members,
    }
    return Response(encode(content), status, {"Cache-Control": "no-store", **head}, MEDIA)


def of_query(error: QueryError) -> Response:
    """Problem of the asker's error."""
    more: dict[str, Any] = {"candidates": error.candidates} if isinstance(error, AmbiguousError) else {}
    more |= {"headers": error.headers} if isinstance(error, RefusedError) else {}
    detail = f"Expected {error.expected}, found {error.found}. {error.action[:1].upper()}{error.action[1:]}."
    return problem(error.state, detail, expected=error.expected, found=error.found, action=error.action, **more)


async def on_known(_request: Request, error: Exception) -> Response:
    """Answer an error this package raised on purpose."""
    if isinstance(error, QueryError):
        return of_query(error)
    state = next((name for kind, name in _BY_ERROR if isinstance(error, kind)), "internal")
    if state == "not-ready":
        expected, action = "a product with something to answer with", f"try again in {RETRY_AFTER_S} seconds"
        return problem(state, str(error), expected=expected, found=str(error), action=action)
    return problem(state, str(error), action="see the server's log")


async def on_validation(_request: Request, error: Exception) -> Response:
    """Answer a request that does not fit the route's shape; names the first bad field."""
    first = error.errors()[0] if isinstance(error, RequestValidationError) and error.errors() else {}
    # Of a choice of shapes, pydantic names the one it tried: no part of what was sent.
    place = ".".join(str(part) for part in first.get("loc", ()) if _FIELD.fullmatch(str(part))) or "request"
    hint = ": a JSON object, sent as application/json" if place == "body" else ""
    said = str(first.get("msg", "a well-formed request")).removeprefix("Value error, ")
    expected = f"{place}{hint}: {_DICTIONARY.sub('object', said)}"
    return of_query(
        QueryError(
            "malformed-query",
            expected=shown(expected, 300).strip("'"),
            found=told(first.get("input", "nothing")),
            action="correct it; /docs shows every route with an example",
        )
    )


async def on_http(request: Request, error: Exception) -> Response:
    """Answer what the framework itself refuses."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = str(error.detail) if isinstance(error, HTTPException) else "unknown"
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    state = _BY_STATUS.get(status, "malformed-query" if status < 500 else "internal")
    said = {"expected": "a route that /docs shows", "found": "another path"} if status == 404 else {}
    if status == 405:
        said = {"expected": headers.get("Allow", "another method"), "found": shown(request.method, 20)}
    response = problem(state, detail, action="see /docs for the routes", **said)
    response.headers.update(headers)
    return response


async def on_unknown(request: Request, error: Exception) -> Response:
    """Answer anything else; the log keeps the kind and route, never the question."""
    route = getattr(request.scope.get("route"), "path", "unmatched")
    log.error("request failed", route=route, error=type(error).__name__)
    return problem("internal", "The request could not be answered.", action="try again; the operator sees the error")


def install(app: FastAPI) -> None:
    """Register the table's handlers."""
    app.add_exception_handler(UrbancastError, on_known)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_unknown)
