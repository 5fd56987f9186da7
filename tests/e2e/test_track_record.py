"""The track record in chromium: charts with the tables behind them, misses in words, downloads, the ledger's head."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import Open, Town, serve, visiting
from tests.e2e.record import kept
from urbancast.lake import ledger

CHARTS = ("rolling", "by-hour", "by-lead", "pit", "reliability", "by-decile")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, web: Path) -> Iterator[Town]:
    """A town whose record is whole."""
    lake, catalog = kept(tmp_path_factory.mktemp("recorded"))
    with serve(lake, catalog, web) as served:
        yield served


@pytest.fixture
def go(desk: BrowserContext, recorded: Town) -> Iterator[Open]:
    with visiting(desk, recorded.url) as opened:
        yield opened


def opened(go: Open, lang: str = "en", *, width: int = 1280) -> Page:
    page = go(f"#/track-record/ride?lang={lang}", size=(width, 900))
    expect(page.get_by_test_id("misses")).to_be_visible()
    return page


def test_every_chart_has_its_numbers_behind_it(go: Open, recorded: Town) -> None:
    page = opened(go)
    told = recorded.client.get("/v1/products/ride/track-record").json()["kinds"]["replay"]
    for name in CHARTS:
        assert page.get_by_test_id(name).get_by_role("img").get_attribute("aria-label")
    rows = {"by-lead": len(told["by_lead"]), "by-decile": 10, "pit": 20, "by-hour": 24,
            "rolling": sum(row["low"] is not None for row in told["rolling"])}  # fmt: skip
    for name, count in rows.items():
        chart = page.get_by_test_id(name)
        chart.locator("summary").click()
        expect(chart.locator("tbody tr")).to_have_count(count)
        assert chart.locator("svg circle, svg rect:not(.chance)").count() == count
    lead = page.get_by_test_id("by-lead").locator("tbody tr").first
    expect(lead.locator("td").first).to_have_text(re.compile(f"^{round(told['by_lead'][0]['coverage'] * 100)}\\s%$"))


def test_the_worst_misses_say_in_words_what_was_known(go: Open) -> None:
    page = opened(go)
    misses = page.get_by_test_id("misses").locator("li")
    expect(misses).to_have_count(5)
    first = misses.first
    expect(first).to_contain_text("It was 912 bicycles/h; the forecast said 409, with 8 in 10 chance of 300 to 520.")
    expect(first).to_contain_text("Newest value known: 31 bicycles/h")
    expect(first).to_contain_text("Public holiday: Armistice Day.")
    expect(first).to_contain_text("The simple rule said 431.")
    expect(misses.nth(1)).to_contain_text("The week before was not published yet.")
    page.get_by_role("button", name="Show all 20").click()
    expect(misses).to_have_count(20)


def test_skill_stands_beside_each_simple_rule_lost_or_won(go: Open) -> None:
    rows = opened(go).get_by_test_id("rules").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="the week before")).to_contain_text("+23")
    expect(rows.filter(has_text="the 4-week mean")).to_contain_text("-15")
    expect(rows.filter(has_text="the 4-week mean").locator("i.worse")).to_have_count(1)


def test_kinds_have_their_own_charts(go: Open) -> None:
    page = opened(go)
    page.get_by_role("tab", name=re.compile("backtest")).click()
    expect(page.get_by_test_id("by-hour")).to_be_visible()
    expect(page.get_by_test_id("misses")).to_have_count(0)  # the replay's misses are not the backtest's
    expect(page.get_by_test_id("pit")).to_have_count(0)


def test_the_ledgers_head_is_shown_with_how_to_check_it(go: Open, recorded: Town) -> None:
    shown = opened(go).get_by_test_id("ledger")
    head = ledger.read(recorded.lake, "ride")["entry"][-1]
    expect(shown).to_contain_text(head)
    expect(shown).to_contain_text("urbancast verify ride --ledger")
    reply = recorded.client.get(str(shown.get_by_role("link").get_attribute("href")))
    assert reply.json()["head"] == head


@pytest.mark.parametrize("name", ["Calibration", "Misses", "Rolling coverage"])
def test_a_table_can_be_taken_home(go: Open, name: str) -> None:
    page = opened(go)
    with page.expect_download() as taken:
        page.get_by_role("link", name=f"{name} (CSV)").click()
    rows = list(csv.DictReader(io.StringIO(Path(taken.value.path()).read_text(encoding="utf-8"))))
    assert rows
    assert {row["simulated"] for row in rows} == {"True"}


@pytest.mark.parametrize(("lang", "width"), [("en", 390), ("es", 360), ("fr", 360)])
def test_it_fits_a_phone_in_every_language(go: Open, lang: str, width: int) -> None:
    page = opened(go, lang, width=width)
    for chart in page.locator("summary").all():
        chart.click()
    assert page.evaluate("document.querySelector('main').scrollWidth <= window.innerWidth")
    wide = page.evaluate(
        "[...document.querySelectorAll('main svg, main li, main dl, main h2')]"
        ".filter(one => one.getBoundingClientRect().right > window.innerWidth + 1).length"
    )
    assert wide == 0
    assert "rec_" not in page.locator("main").inner_text()


def test_headings_follow_each_other_and_charts_have_names(go: Open) -> None:
    page = opened(go)
    assert page.locator("main h1").count() == 1
    unnamed = page.evaluate("[...document.querySelectorAll('main svg[role=img]')].filter(one => !one.ariaLabel).length")
    assert unnamed == 0
    assert page.locator("main th:not([scope])").count() == 0
