from __future__ import annotations

import logging
import socket

import pytest

from urbancast.core.errors import ContractError, PortalError
from urbancast.geo import remote
from urbancast.geo.remote import Remote


def test_json_comes_back_with_its_status(httpserver):
    httpserver.expect_request("/route", method="POST", json={"a": [1]}).respond_with_json({"b": 2}, status=400)
    assert Remote("engine", httpserver.url_for("/")).post("/route", {"a": [1]}) == (400, {"b": 2})


@pytest.mark.parametrize(
    ("body", "status", "found"),
    [
        (b"busy", 503, "status 503"),
        (b"{}", 429, "status 429"),
        (b"<html>Welcome</html>", 200, "status 200 with something else than JSON"),
        (b'{"cut": ', 200, "status 200 with something else than JSON"),
        (b"", 302, "status 302 with something else than JSON"),
    ],
)
def test_what_is_no_answer_is_the_engines_fault(httpserver, body, status, found):
    httpserver.expect_request("/api").respond_with_data(body, status=status, headers={"Location": "/elsewhere"})
    with pytest.raises(PortalError, match=f"engine: expected an answer in JSON, found {found}"):
        Remote("engine", httpserver.url_for("/")).get("/api", {"q": "x"})


def test_a_reply_without_end_is_cut_off(httpserver, monkeypatch):
    monkeypatch.setattr(remote, "MOST_BYTES", 1000)
    httpserver.expect_request("/api").respond_with_data(b"[" + b"1," * 1000 + b"1]")
    with pytest.raises(PortalError, match="more than 1,000 bytes"):
        Remote("engine", httpserver.url_for("/")).get("/api", {})


def test_an_engine_that_is_down_or_silent_is_told_within_its_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(PortalError, match="found ReadTimeoutError"):
            Remote("engine", f"http://127.0.0.1:{port}", read_s=0.1).get("/api", {})
    with pytest.raises(PortalError, match=r"found \w+Error"):
        Remote("engine", f"http://127.0.0.1:{port}").get("/api", {})


def test_what_was_asked_stands_in_no_error_and_no_log(httpserver, caplog):
    caplog.set_level(logging.DEBUG)
    httpserver.expect_request("/api").respond_with_data(b"no", status=500)
    with pytest.raises(PortalError) as failed:
        Remote("engine", httpserver.url_for("/")).get("/api", {"q": "10 Secret Lane"})
    own = [record.getMessage() for record in caplog.records if not record.name.startswith("werkzeug")]
    assert not [text for text in [str(failed.value), *own] if "Secret" in text]
    assert failed.value.__cause__ is None


@pytest.mark.parametrize("url", ["ftp://example.org", "photon", "//host"])
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(ContractError, match="expected a URL with http or https"):
        Remote("photon", url)
