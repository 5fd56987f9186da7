"""The operator's page over a lake that really lived: log in, see what failed and why, roll back, pause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import structlog
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import NOW, Open, Town, serve, visiting
from tests.flows.conftest import CITIES, NOW as LIVED
from urbancast import products
from urbancast.core.errors import PortalError
from urbancast.flows import asked, cycle, watch
from urbancast.flows.job import Clock, Job, step
from urbancast.lake import alerts, drift, keys, requests, runs, serving
from urbancast.lake.store import Lake
from urbancast.portals.emulator import Emulator
from urbancast.settings import settings

pytestmark = pytest.mark.e2e
P = "riverton"
FAILED = "pull-riverton-2026-11-21T05:00:00Z"


@dataclass(kw_only=True)
class Desk:
    """A served lake, and the keys to it."""

    town: Town
    operator: str
    reader: str

    @property
    def champion(self) -> str:
        """What serves now."""
        return str(serving.current(self.town.lake)[P]["releases"]["bikes"])

    def carry_out(self) -> None:
        """What the daemon does: take what was asked for."""
        with job(self.town.lake) as own:
            asked.run(own)


@contextmanager
def job(lake: Lake) -> Iterator[Job]:
    clock = Clock(now=LIVED)
    with Emulator(products.sample(P).datasets(), clock=lambda: clock.now) as emulator:
        yield Job(
            product=products.get(P), recipe=products.recipe(P), lake=lake, now=LIVED, provenance="sample",
            portal_url=emulator.url, clock=clock,
        )  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, web: Path) -> Iterator[Desk]:
    """Riverton after a first day, with a failed run, an alert and signals that moved."""
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("URBANCAST_PRODUCTS", str(CITIES))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        settings.cache_clear()
        products.forget()
        lake = Lake.open(str(folder / "lake"))
        with job(lake) as own:
            cycle.begin(own)
            cycle.improve(own)
            watch.run(own, to=())
            fail(own)
        trouble(lake)
        _, operator = keys.new(lake, name="ana", role="operator", at=NOW)
        _, reader = keys.new(lake, name="ben", role="reader", at=NOW)
        with serve(lake, {P: products.get(P)}, web) as town:
            yield Desk(town=town, operator=operator, reader=reader)
    settings.cache_clear()
    products.forget()


def fail(own: Job) -> None:
    """A pull whose portal does not answer, as its flow writes it down."""
    with suppress(PortalError), step(own, FAILED, "pull", "fetch"):
        structlog.get_logger("urbancast.portals").warning("asked again", source="counts", status=503)
        raise PortalError("counts: expected rows, found status 503 four times; the portal is down")


def trouble(lake: Lake) -> None:
    alerts.open_alert(
        lake, P, alert="stale-source:counts", severity="warning", message="counts: 3 updates are missing.",
        action="See whether the portal answers.", at=NOW - timedelta(hours=30), run="w",
    )  # fmt: skip
    rows = [
        {"measure": "bikes", "kind": kind, "signal": signal, "place": "", "day": NOW.date(), "score": score,
         "threshold": 0.2, "is_drifted": score > 0.2, "n": 96, "facts": "{}"}
        for kind, signal, score in (("target", "level", 0.31), ("input", "lag", 0.04), ("residual", "bias", 0.11))
    ]  # fmt: skip
    drift.add(lake, P, pl.DataFrame(rows), run="w")


@pytest.fixture
def visit(desk_context: BrowserContext, desk: Desk) -> Iterator[Open]:
    with visiting(desk_context, desk.town.url) as go:
        yield go


@pytest.fixture
def desk_context(browser: object) -> Iterator[BrowserContext]:
    """A profile of this test alone: a session is a cookie."""
    with browser.new_context(locale="en-GB", reduced_motion="reduce") as found:  # type: ignore[attr-defined]
        yield found


def log_in(page: Page, key: str) -> None:
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_test_id("overview")).to_be_visible()


def open_run(page: Page, run: str) -> None:
    page.locator(f"[data-run='{run}'] .open-run").click()


def act(page: Page, verb: str) -> None:
    """Press an action and confirm it."""
    page.locator(f"[data-verb={verb}]").click()
    page.get_by_test_id("yes").click()
    expect(page.get_by_test_id("confirm")).to_be_hidden()


def test_a_wrong_key_opens_nothing_and_the_page_says_so(visit: Open) -> None:
    page = visit("#/operations")
    page.get_by_label("Key").fill("uc_aaaaaaaaaaaa_" + "b" * 43)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("opens nothing")
    expect(page.get_by_test_id("overview")).to_have_count(0)


def test_an_operator_sees_at_a_glance_how_the_product_stands(visit: Open, desk: Desk) -> None:
    page = visit("#/operations")
    log_in(page, desk.operator)
    row = page.locator(f"[data-testid=overview] [data-product={P}]")
    expect(row).to_contain_text("needs a look")
    expect(page.get_by_test_id("champion")).to_contain_text(desk.champion)
    expect(page.get_by_test_id("alerts")).to_contain_text("3 updates are missing")
    expect(page.get_by_test_id("alerts").get_by_role("link", name="Runbook")).to_have_attribute(
        "href", "/runbooks/stale-source"
    )
    expect(page.get_by_test_id("drift")).to_contain_text("drifted")
    expect(page.get_by_test_id("sources")).to_contain_text("in time")
    cookie = next(one for one in page.context.cookies() if one["name"] == "urbancast_session")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert desk.operator not in page.content() + page.evaluate("JSON.stringify(localStorage)")


def test_a_failed_run_shows_its_step_its_reason_and_its_log(visit: Open, desk: Desk) -> None:
    page = visit("#/operations")
    log_in(page, desk.operator)
    page.get_by_test_id("filter-state").select_option("failed")
    rows = page.locator("[data-testid=runs] [data-run]")
    expect(rows).to_have_count(1)
    open_run(page, FAILED)
    detail = page.get_by_test_id("run")
    expect(detail).to_contain_text("found status 503 four times")
    expect(detail.get_by_test_id("log")).to_contain_text("asked again")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of runs").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == [FAILED]


def test_runs_are_sorted_by_any_column_from_the_keyboard(visit: Open, desk: Desk) -> None:
    page = visit("#/operations")
    log_in(page, desk.operator)
    heading = page.get_by_role("columnheader", name="Duration")
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(heading).to_have_attribute("aria-sort", "descending")
    first = page.locator("[data-testid=runs] [data-run]").first.get_attribute("data-run")
    known = runs.entries(runs.steps(runs.read(desk.town.lake, P))).sort("seconds", descending=True)
    assert first == known["run"][0]
    page.locator(".open-run").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("run")).to_contain_text(str(first))


def test_a_champion_is_traced_down_to_its_raw_pages(visit: Open, desk: Desk) -> None:
    page = visit("#/operations")
    log_in(page, desk.operator)
    page.get_by_text("What it was made of").click()
    page.get_by_role("button", name="List the pages").click()
    cells = page.locator("[data-testid=champion] tbody code")
    page.locator("[data-testid=champion] tbody tr").first.wait_for(state="attached")
    shown = {one.get_attribute("title") for one in cells.all()}
    assert shown == set(desk.town.lake.scan("raw", product=P).collect()["sha256"])


def test_a_rollback_asked_for_is_carried_out_and_its_outcome_shown(visit: Open, desk: Desk) -> None:
    before = desk.champion
    page = visit("#/operations")
    log_in(page, desk.operator)
    act(page, "rollback")
    expect(page.locator("[data-testid=requests] li").first).to_have_attribute("data-state", "asked")
    desk.carry_out()
    expect(page.locator("[data-testid=requests] li").first).to_have_attribute("data-state", "done")
    assert desk.champion != before
    expect(page.get_by_test_id("champion")).to_contain_text(desk.champion)
    expect(page.get_by_test_id("verdicts")).to_contain_text("asked by ana")
    assert requests.outcomes(requests.read(desk.town.lake, P))[0]["by"] == "ana"


def test_a_pause_is_shown_until_it_is_resumed(visit: Open, desk: Desk) -> None:
    page = visit("#/operations")
    log_in(page, desk.operator)
    act(page, "pause")
    desk.carry_out()
    expect(page.get_by_test_id("overview")).to_contain_text("paused")
    act(page, "resume")
    desk.carry_out()
    expect(page.get_by_test_id("overview")).not_to_contain_text("paused")


def test_a_reader_looks_and_cannot_act(visit: Open, desk: Desk) -> None:
    page = visit("#/operations")
    log_in(page, desk.reader)
    for verb in ("retrain", "promote", "rollback", "pause"):
        expect(page.locator(f"[data-verb={verb}]")).to_be_disabled()
    expect(page.get_by_text("only an operator")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_test_id("login")).to_be_visible()
    page.reload()
    expect(page.get_by_test_id("login")).to_be_visible()


def test_a_session_outlives_a_reload_and_the_page_draws_nothing_anew_while_nothing_changes(
    visit: Open, desk: Desk
) -> None:
    page = visit("#/operations")
    log_in(page, desk.operator)
    page.reload()
    expect(page.get_by_test_id("overview")).to_be_visible()
    page.locator("[data-testid=runs] [data-run]").nth(3).wait_for(state="attached")
    page.evaluate("""() => {
        window.drawn = 0
        new MutationObserver((found) => (window.drawn += found.length)).observe(
            document.querySelector('main'), { subtree: true, childList: true, characterData: true })
    }""")
    for _ in range(2):
        with page.expect_response(lambda reply: reply.url.endswith("/v1/operations")):
            pass
    assert page.evaluate("window.drawn") == 0


def test_nothing_runs_over_the_edge_in_any_language(visit: Open, desk: Desk) -> None:
    page = visit("#/operations")
    log_in(page, desk.operator)
    open_run(page, FAILED)
    expect(page.get_by_test_id("log")).to_be_visible()
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        for lang in ("es", "fr", "en"):
            speak(page, lang)
            wide = page.evaluate("[...document.querySelectorAll('main, [data-testid=run]')].map((one) => "
                                 "[one.scrollWidth, one.clientWidth])")  # fmt: skip
            assert all(scroll <= client for scroll, client in wide), (width, lang, wide)
    box = page.get_by_test_id("run").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390


def speak(page: Page, lang: str) -> None:
    page.evaluate(f"location.hash = '#/operations?lang={lang}'")
    expect(page.locator(f"html[lang={lang}]")).to_be_attached()
