"""The map itself and the API's page; everything from this server, nothing inline that runs."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from urbancast.api.docs_page import render
from urbancast.settings import settings

router = APIRouter(include_in_schema=False)
MISSING = "The web app is not built: run `make web`. The API answers all the same; see /docs and /v1/products.\n"


def web_folder() -> Path:
    """Folder of the built web app inside the package; it may be absent."""
    return Path(str(files("urbancast"))) / "web"


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Return the API's page."""
    return HTMLResponse(render(request.app.openapi()))


@router.get("/v1/config", include_in_schema=False)
async def config() -> Response:
    """Return what the web app needs to know of this deployment."""
    return JSONResponse({"basemap": settings().basemap or None})


@router.get("/robots.txt")
async def robots() -> Response:
    """Let search engines read the pages, not the API."""
    return PlainTextResponse("User-agent: *\nDisallow: /v1/\n")


def mount(app: FastAPI, folder: Path) -> None:
    """Serve the web app at ``/``; without one, a line that says how to build it."""

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        """Return the map."""
        page = folder / "index.html"
        if not page.is_file():
            return PlainTextResponse(MISSING, headers={"Cache-Control": "no-store"})
        return FileResponse(page, headers={"Cache-Control": "no-cache"})

    if folder.is_dir():
        app.mount("/", _Assets(directory=folder), name="web")


class _Assets(StaticFiles):
    """Files of the web app; hashed names under ``assets`` never change."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        is_hashed = path.replace("\\", "/").startswith("assets/")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_hashed else "no-cache"
        return response
