"""A page of other hands behind the gate, in a real browser: what it can reach of ours is nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page
from pytest_httpserver import HTTPServer

from urbancast.api.app import create_app
from urbancast.api.gate import Gate
from urbancast.api.targets import Target
from urbancast.lake import audit, keys
from urbancast.lake.store import Lake

pytestmark = pytest.mark.e2e
MADE = datetime(2026, 11, 21, tzinfo=UTC)
# What a script in somebody's HTML report would try, run inside the page behind the gate.
TRIES = {
    "its own": "() => fetch('/ops/mlflow/told').then(r => r.text())",
    "the session": "() => fetch('/v1/session').then(r => r.text())",
    "a change": "() => fetch('/v1/session', {method: 'DELETE'}).then(r => r.text())",
    "another site": "() => fetch('http://127.0.0.1:1/x', {mode: 'no-cors'}).then(r => r.text())",
    "a frame": """() => new Promise(done => {
        const frame = document.createElement('iframe'); frame.src = '/docs'
        document.addEventListener('securitypolicyviolation', event => done('blocked ' + event.effectiveDirective))
        frame.onload = () => done(frame.contentDocument ? frame.contentDocument.body.textContent : 'blocked')
        document.body.append(frame) })""",
    "a form": """() => new Promise(done => {
        document.addEventListener('securitypolicyviolation', event => done('blocked ' + event.effectiveDirective))
        const form = document.createElement('form'); form.action = '/v1/session'; form.method = 'post'
        document.body.append(form); form.submit() })""",
    "the cookie": "() => Promise.resolve(document.cookie || 'none')",
}


@contextmanager
def served(app: Any) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


@pytest.fixture
def home(lake: Lake, httpserver: HTTPServer) -> Iterator[str]:
    """The API with one interface behind it, whose page is not ours."""
    httpserver.expect_request("/ops/mlflow/told").respond_with_data("told")
    page = '<!doctype html><title>Theirs</title><body><h1 id="it">Theirs</h1><script>document.title = "Runs"</script>'
    httpserver.expect_request("/ops/mlflow/").respond_with_data(page, content_type="text/html")
    app = create_app(lake.url, catalog={}, poll_seconds=0.0)
    app.state.gate = Gate({"mlflow": Target(name="mlflow", host="127.0.0.1", port=httpserver.port)})
    with served(app) as url:
        yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


def log_in(page: Page, home: str, text: str) -> int:
    """Log in by a page of ours, as the page of operations does."""
    page.goto(f"{home}/docs")
    status: int = page.evaluate(
        """key => fetch('/v1/session', {method: 'POST', headers: {'content-type': 'application/json'},
           body: JSON.stringify({key})}).then(r => r.status)""",
        text,
    )
    return status


def outcome(page: Page, what: str) -> str:
    told: str = page.evaluate(f"({TRIES[what]})().catch(error => 'blocked ' + error)")
    return told


def test_a_page_behind_the_gate_runs_and_reaches_nothing_of_ours(lake: Lake, home: str, page: Page) -> None:
    _, text = keys.new(lake, name="ana", role="operator", at=MADE)
    assert log_in(page, home, text) == 200
    page.goto(f"{home}/ops/mlflow/")
    assert page.title() == "Runs"  # its inline script ran
    assert outcome(page, "its own") == "told"
    for what in ("the session", "a change", "another site", "a frame", "a form"):
        assert outcome(page, what).startswith("blocked"), what
    assert outcome(page, "the cookie") == "none"
    assert [row["action"] for row in audit.read(lake)] == ["open-ui", "login"]


def test_a_window_that_it_opens_to_us_is_cut_from_it(lake: Lake, home: str, page: Page) -> None:
    _, text = keys.new(lake, name="ana", role="operator", at=MADE)
    log_in(page, home, text)
    page.goto(f"{home}/ops/mlflow/")
    with page.context.expect_page() as opened:
        page.evaluate("() => { window.theirs = window.open('/docs') }")
    opened.value.wait_for_load_state()
    assert opened.value.title() == "Urbancast: API"
    assert opened.value.evaluate("() => window.opener") is None
    reached = page.evaluate("() => { try { return String(theirs.document.title) } catch (error) { return 'cut' } }")
    assert reached != "Urbancast: API"


def test_without_a_session_a_person_is_shown_the_way(home: str, page: Page) -> None:
    reply = page.goto(f"{home}/ops/mlflow/")
    assert reply is not None
    assert reply.status == 401
    assert page.get_by_role("link", name="Operations").is_visible()
