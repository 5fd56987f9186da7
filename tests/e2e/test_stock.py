"""The stock plan: inputs, table, transfers, map and file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.e2e
Look = Callable[..., Page]
WHERE = "#/map/depots"
WIDTHS = pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["wide", "phone"])


def planned(town: Any, **query: float) -> dict[str, Any]:
    """The API's own plan."""
    reply = town.client.get("/v1/products/depots/stock-plan", params=query)
    payload: dict[str, Any] = reply.raise_for_status().json()
    return payload


def opened(look: Look, size: tuple[int, int] = (1280, 800)) -> Page:
    page = look(WHERE, size=size)
    page.get_by_test_id("plan").wait_for(state="attached")
    if size[0] < 860:
        page.get_by_test_id("handle").click()
    return page


def cells(page: Page, column: str) -> dict[str, str]:
    """Texts of a column of the table by place; the column by the text of its head."""
    heads = [one.strip() for one in page.locator("[data-testid=plan] thead th").all_inner_texts()]
    rows = page.locator("[data-testid=plan] tr[data-place]").all()
    texts = {row.get_attribute("data-place") or "": row.locator("th, td").nth(heads.index(column)) for row in rows}
    return {place: cell.inner_text() for place, cell in texts.items()}


@WIDTHS
def test_the_table_holds_the_plan_of_the_api_by_need(look: Look, lens_town: Any, size: tuple[int, int]) -> None:
    plan = planned(lens_town)
    page = opened(look, size)
    rows = sorted(plan["rows"], key=lambda row: -row["need"]["mean"])
    assert list(cells(page, "Stock")) == [row["place"] for row in rows]
    assert list(cells(page, "Stock").values()) == [str(row["stock"]) for row in rows]
    needs = [round(float(text.split()[0])) for text in cells(page, "Need, trips").values()]
    assert needs == pytest.approx([row["need"]["mean"] for row in rows], abs=0.51)
    assert page.get_by_test_id("total").inner_text() == f"{plan['total']['stock']:,}"
    assert page.get_by_test_id("sentence").inner_text() == plan["sentence"]["en"]
    for caveat in plan["caveats"]:
        expect(page.locator(f"[data-caveat={caveat['id']}]")).to_contain_text(caveat["text"]["en"])
    replayed = plan["backtest"]
    share = replayed["saving"] / replayed["cost_last_week"]
    expect(page.get_by_test_id("saving")).to_contain_text(f"{share * 100:.0f}\u00a0% cheaper than last week’s stock")
    assert "censored" in {caveat["id"] for caveat in plan["caveats"]}
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]


def test_a_fleet_is_shared_out_and_moved(look: Look, lens_town: Any) -> None:
    page = opened(look)
    page.get_by_test_id("fleet").fill("90")
    with page.expect_response(re.compile("fleet=90")):
        page.get_by_test_id("fleet").press("Tab")
    plan = planned(lens_town, fleet=90)
    expect(page.get_by_test_id("fleet-total")).to_have_text("90")
    shared = cells(page, "Share")
    assert {row["place"]: str(row["allocation"]) for row in plan["rows"]} == shared
    assert sum(map(int, shared.values())) == 90
    first = plan["transfers"][0]
    moves = page.get_by_test_id("transfers").locator("li")
    expect(moves.first).to_contain_text(f"{first['from_name']} → {first['to_name']}")
    expect(moves.first).to_contain_text(str(first["count"]))


def test_service_level_turns_and_costs_ask_again(look: Look, lens_town: Any) -> None:
    page = opened(look)
    with page.expect_response(re.compile("service_level=0.6")):
        page.get_by_test_id("level").fill("0.6")
    expect(page.get_by_test_id("total")).to_have_text(f"{planned(lens_town, service_level=0.6)['total']['stock']:,}")
    page.get_by_test_id("turns").fill("5")
    page.get_by_test_id("turns").press("Tab")
    expected = planned(lens_town, service_level=0.6, turns=5)
    expect(page.get_by_test_id("total")).to_have_text(f"{expected['total']['stock']:,}")
    page.get_by_text("costs", exact=True).click()
    expected = planned(lens_town, shortage_cost=3, idle_cost=1, turns=5)
    expect(page.get_by_test_id("total")).to_have_text(f"{expected['total']['stock']:,}")
    page.get_by_test_id("shortage").fill("500")
    page.get_by_test_id("shortage").press("Tab")
    expect(page.get_by_test_id("no-answer")).to_contain_text("This service level was not forecast")


def test_the_file_holds_the_same_plan(look: Look, lens_town: Any) -> None:
    page = opened(look)
    with page.expect_response(re.compile(r"turns=4")):
        page.get_by_test_id("turns").fill("4")
        page.get_by_test_id("turns").press("Tab")
    with page.expect_download() as file:
        page.get_by_test_id("csv").click()
    rows = list(csv.DictReader(io.StringIO(file.value.path().read_text())))
    plan = planned(lens_town, turns=4)
    assert {row["place"]: int(row["stock"]) for row in rows} == {row["place"]: row["stock"] for row in plan["rows"]}


def test_the_map_is_coloured_by_stock_and_a_tap_opens_the_row(look: Look) -> None:
    page = opened(look)
    page.wait_for_selector("[data-testid=map][data-drawn*=Z]")
    expect(page.get_by_test_id("legend")).to_contain_text("Scooters to hold")
    page.get_by_test_id("map").click()
    row = page.locator("[data-testid=plan] tr[data-place=z5]")
    expect(row).to_have_class(re.compile("on"))
    expect(page.get_by_test_id("plan")).to_contain_text("Chance of running short")
    assert "place=z5" in page.url
    expect(page.get_by_test_id("slider")).to_have_count(0)
