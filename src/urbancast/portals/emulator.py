"""A real HTTP server on loopback that speaks the portals' own protocols over datasets and a clock it is handed."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from urbancast.core.errors import ContractError
from urbancast.portals import emulator_explore, emulator_files, emulator_soda, emulator_weather
from urbancast.portals.emulator_data import Dataset, Stage, Tables
from urbancast.portals.emulator_faults import STATUS, Faults
from urbancast.portals.emulator_reply import RefusedError, Reply, as_json

_SODA = re.compile(r"^/resource/([^/]+)\.(json|csv)$")
_VIEW = re.compile(r"^/api/views/([^/]+)\.json$")
_DATASET = re.compile(r"^/api/explore/v2\.1/catalog/datasets/([^/]+)$")
_EXPLORE = re.compile(r"^/api/explore/v2\.1/catalog/datasets/([^/]+)/(records|exports/(\w+))$")
_FILE = re.compile(r"^/files/([^/]+?)(?:\.(?:csv|parquet|geojson))?$")
_WEATHER = re.compile(r"^/v1/(archive|forecast)$")
_HTML = b"<!DOCTYPE html><html><body>We are down for maintenance.</body></html>"
_HANG_S = 30.0


class Emulator(AbstractContextManager["Emulator"]):
    """Context manager: ``url`` is where it listens, ``faults`` what it does wrong, ``asked`` what it was asked."""

    def __init__(
        self,
        datasets: Mapping[str, Dataset | Mapping[str, Any]] | Iterable[Dataset | Mapping[str, Any]],
        clock: Callable[[], datetime],
    ) -> None:
        """Serve ``datasets`` (or their fields as mappings), as far as ``clock()`` has come."""
        given = datasets.values() if isinstance(datasets, Mapping) else datasets
        self.datasets = [d if isinstance(d, Dataset) else Dataset(**d) for d in given]
        self.tables = Tables(clock)
        self.faults = Faults()
        self.asked: list[str] = []
        self.sent_bytes = 0
        self.closing = threading.Event()
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        """Listen on a free port of 127.0.0.1."""
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        if self._server is not None:
            self.closing.set()
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        """Base address, without a trailing slash."""
        if self._server is None:
            raise ContractError("emulator: expected it to be entered, found it closed; use it in a with statement")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def reply(self, target: str, headers: Mapping[str, str], *, is_head: bool = False) -> Reply:
        """Answer a GET (or HEAD) of ``target``; header names in lower case."""
        parts = urlsplit(target)
        path, query = unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True))
        try:
            return self._told(path, is_head=is_head) or self._route(path, query, headers)
        except RefusedError as refused:
            return as_json(refused.document, refused.status)

    def _told(self, path: str, *, is_head: bool) -> Reply | None:
        """What is told of a dataset or a file itself: when it last changed."""
        stage = Stage(tables=self.tables, faults=self.faults)
        if found := _VIEW.match(path):
            return emulator_soda.view(self._named("socrata", found.group(1)), stage=stage)
        if found := _DATASET.match(path):
            return emulator_explore.metadata(self._named("opendatasoft", found.group(1)), stage=stage)
        if is_head and (found := _FILE.match(path)):
            return emulator_files.head(self._file(found.group(1)), found.group(1), stage=stage)
        return None

    def _route(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
        stage = Stage(tables=self.tables, faults=self.faults)
        if found := _SODA.match(path):
            return emulator_soda.answer(self._named("socrata", found.group(1)), found.group(2), query, stage=stage)
        if found := _EXPLORE.match(path):
            dataset = self._named("opendatasoft", found.group(1))
            if found.group(3):
                return emulator_explore.exports(dataset, found.group(3), query, stage=stage)
            return emulator_explore.records(dataset, query, stage=stage)
        if found := _FILE.match(path):
            return emulator_files.answer(self._file(found.group(1)), found.group(1), headers, stage=stage)
        weather = [dataset for dataset in self.datasets if dataset.protocol == "open_meteo"]
        if (found := _WEATHER.match(path)) and weather:
            return emulator_weather.answer(emulator_weather.nearest(weather, query), found.group(1), query, stage=stage)
        raise RefusedError(404, {"message": f"No such address: {path}", "error": True})

    def _file(self, name: str) -> Dataset:
        return emulator_files.find(self.datasets, name) or self._named("file", name)

    def _named(self, protocol: str, name: str) -> Dataset:
        for dataset in self.datasets:
            if dataset.protocol == protocol and dataset.id == name:
                return dataset
        raise RefusedError(404, {"code": "dataset.missing", "error": True, "message": f"Not found: {name}"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of a failure, but not of a client that hung up."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_HEAD(self) -> None:
        """Answer with the headers of a GET alone."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer, or misbehave as told."""
        emulator = self.server.emulator
        emulator.asked.append(self.path)
        path = unquote(self.path)
        fault = emulator.faults.take(path, *STATUS, "timeout", "html200", "truncation", "cut_body")
        kind = fault.kind if fault else ""
        if kind in STATUS:
            self._send(Reply(status=STATUS[kind], headers={"Retry-After": "0"}))
        elif kind == "timeout":
            emulator.closing.wait(_HANG_S)
            self.close_connection = True
        elif kind == "html200":
            self._send(Reply(body=_HTML, media="text/html; charset=utf-8"))
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(emulator.reply(self.path, headers, is_head=self.command == "HEAD"), cut=kind)

    def _send(self, reply: Reply, cut: str = "") -> None:
        body = reply.body[: len(reply.body) // 2] if cut else reply.body
        promised = len(reply.body) if cut == "truncation" else len(body)
        self.send_response(reply.status)
        for name, value in {"Content-Type": reply.media, **reply.headers, "Content-Length": str(promised)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            self.wfile.write(body)
            self.server.emulator.sent_bytes += len(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        if cut == "truncation":
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: what was asked is in ``Emulator.asked``."""
