"""What a log shows of a line that holds too much."""

from __future__ import annotations

import io
from typing import Any

import pytest
import structlog
from hypothesis import given, strategies as st

from urbancast.lake import keys, quiet

KEY = "uc_abcdefghij23_" + "S" * 43


@pytest.fixture
def written() -> Any:
    """A logger like the command line's, and what it has written."""
    out = io.StringIO()
    structlog.configure(processors=[quiet.render], logger_factory=lambda *_: structlog.PrintLogger(out))
    yield structlog.get_logger("test"), out
    structlog.reset_defaults()


def test_no_secret_and_no_place_is_shown_wherever_it_stands(written: Any) -> None:
    log, out = written
    said = f"a key {KEY} came"
    log.info(said, authorization=f"Bearer {KEY}", url="postgresql://ana:hunter2@db/mlflow")
    log.warning("asked", facts={"lat": 48.86123, "nested": [{"cookie": "eyJhbGciOi.eyJzdWIiOi.c2ln"}]}, csrf="f00ba4")
    try:
        int(f"Bearer {KEY} at 48.86123, 2.35123")
    except ValueError:
        log.exception("failed", password="hunter2")
    shown = out.getvalue()
    assert "came" in shown
    assert "ValueError" in shown
    assert "Traceback" in shown
    for secret in (KEY, "S" * 43, "hunter2", "48.86123", "2.35123", "eyJ", "f00ba4"):
        assert secret not in shown


def test_what_is_harmless_is_shown_as_it_is(written: Any) -> None:
    log, out = written
    log.info("request", route="/v1/products/{product}/map", method="GET", status=200, ms=1.25)
    for part in ("request", "/v1/products/{product}/map", "GET", "200", "1.25"):
        assert part in out.getvalue()


@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_key_is_hidden_in_any_text(before: str, after: str) -> None:
    shown = str(quiet.scrubbed(None, "info", {"event": f"{before} {KEY} {after}"}))
    assert KEY not in shown
    assert keys.split(KEY)
