"""The gate: interfaces of MLflow and Dagster, which know no login, passed through for a logged-in operator alone.

What is asked goes to one address of loopback, named by the deployment; nothing of the request chooses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import unquote_to_bytes

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from urbancast.api import access, passage
from urbancast.api.access import SAFE, Who
from urbancast.api.problems import STATES, RefusedError, of_query, shown
from urbancast.api.targets import PREFIX, Target, target
from urbancast.core.errors import QueryError
from urbancast.settings import Settings

REASONS = {"role-too-small": "role", "cross-site": "cross-site"}  # refusals of somebody known


@dataclass(frozen=True)
class Gate:
    """Interfaces by name; each believes to stand at ``/ops/NAME``."""

    targets: Mapping[str, Target] = field(default_factory=dict)

    @staticmethod
    def of(deployed: Settings) -> Gate:
        """The deployment's interfaces; ContractError where one is not on loopback."""
        given = {"mlflow": deployed.behind_mlflow, "dagster": deployed.behind_dagster}
        return Gate({name: target(name, url) for name, url in given.items() if url})


def of(connection: HTTPConnection) -> Gate:
    """The gate of the app that serves a connection."""
    gate: Gate = connection.app.state.gate
    return gate


async def passed(request: Request) -> Response:
    """Answer of what is behind, for a logged-in operator; a browser without a session is shown the way to log in."""
    try:
        aim = found(request)
        who = await operator(request)
        _require_own_page(request)
    except QueryError as error:
        if error.state in REASONS:
            await _write_down(request, REASONS[error.state])
        return _told(request, error)
    if request.url.path == f"{PREFIX}{aim.name}":
        return RedirectResponse(f"{PREFIX}{aim.name}/", 308)
    if is_page(request):
        await access.record(request, who, "open-ui", subject=aim.name)
    try:
        return await passage.answer(request, aim)
    except QueryError as error:
        return _told(request, error)


def found(connection: HTTPConnection) -> Target:
    """The interface that a path names; 404 for another, and for a path that climbs."""
    raw: bytes = connection.scope.get("raw_path") or connection.url.path.encode()
    name = connection.path_params["ui"]
    aim = of(connection).targets.get(name)
    parts = [unquote_to_bytes(part) for part in raw.split(b"?")[0].split(b"/")]
    is_straight = not any(part in (b".", b"..") or b"\\" in part or b"\0" in part for part in parts)
    if aim is None or not is_straight or parts[1:3] != [b"ops", name.encode()] or not raw.startswith(b"/ops/"):
        known = ", ".join(f"{PREFIX}{each}/" for each in of(connection).targets) or "none here"
        action = "start it with `urbancast up --mlflow` or `--orchestrator`"
        raise QueryError("unknown-ui", expected=f"one of {known}", found=shown(name), action=action, status=404)
    return aim


async def operator(connection: HTTPConnection) -> Who:
    """Operator of a session's cookie; 401 without a session, 403 with less."""
    door = access.of(connection)
    who = await door.who(connection)
    if who is None or who.session is None:
        raise RefusedError(
            "no-key",
            expected="a session",
            found="none",
            action="log in on the page of operations",
            headers=access.CHALLENGE,
        )
    if who.role != "operator":
        raise access.too_small(who)
    return who


def is_page(request: Request) -> bool:
    """Whether a person opens a page, not a page its parts."""
    wanted = request.headers.get("sec-fetch-dest")
    is_html = "text/html" in request.headers.get("accept", "")
    return request.method == "GET" and (wanted == "document" if wanted is not None else is_html)


async def _write_down(request: Request, reason: str) -> None:
    who = await access.of(request).who(request)
    if who is not None:
        await access.refused(request, who, reason)


def _require_own_page(request: Request) -> None:
    """Refuse what a page of another site, or of another port of this host, asks; a change must say where it is from."""
    if not access.is_own_origin(request, must_say=request.method not in SAFE):
        raise RefusedError(
            "cross-site",
            expected="a request of a page behind this gate",
            found="one of another site",
            action="open the page from this server's page of operations",
            headers={},
        )


def _told(request: Request, error: QueryError) -> Response:
    """Problem of an error; for a person who opened a page, a page."""
    response = of_query(error)
    if not is_page(request):
        return response
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Urbancast</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" '
        'content="light dark"></head><body style="font:16px/1.5 system-ui,sans-serif;max-width:40rem;'
        f'margin:4rem auto;padding:0 1rem"><h1>{escape(STATES[error.state][1])}</h1>'
        f"<p>{escape(error.action[:1].upper() + error.action[1:])}.</p>"
        '<p><a href="/#/operations">Operations</a></p></body></html>'
    )
    kept = {name: value for name, value in response.headers.items() if name in ("www-authenticate", "cache-control")}
    return HTMLResponse(page, response.status_code, kept)
