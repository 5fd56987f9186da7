"""Minutes from one zone to another: a distribution drawn, by taps, by name and from an address kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.e2e
Look = Callable[..., Page]
AT = "2026-11-21T17:00:00Z"
WHERE = f"#/map/taxi?at={AT}"
WIDTHS = pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["wide", "phone"])


def told(town: Any, start: str, end: str, at: str = AT) -> dict[str, Any]:
    """The API's own answer."""
    reply = town.client.get("/v1/products/taxi/pair", params={"from": start, "to": end, "at": at})
    payload: dict[str, Any] = reply.raise_for_status().json()
    return payload


def said(value: float) -> str:
    """As people say minutes."""
    return f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:.0f}"


def tap(page: Page, x: float, y: float) -> None:
    """Tap the map at a share of its box."""
    box = page.get_by_test_id("map").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def at_pair(page: Page, pair: str) -> None:
    page.wait_for_selector(f"[data-testid=pair][data-pair='{pair}']")


@WIDTHS
def test_a_pair_in_the_address_is_drawn_with_the_numbers_of_the_api(
    look: Look, lens_town: Any, size: tuple[int, int]
) -> None:
    answer = told(lens_town, "z1", "z6")
    page = look(f"{WHERE}&from=z1&to=z6", size=size)
    at_pair(page, "z1>z6")
    assert page.get_by_test_id("minutes").inner_text() == said(answer["median"])
    low, high = (said(answer["interval"][end]) for end in ("low", "high"))
    expect(page.get_by_test_id("range")).to_contain_text(f"{low}–{high}")
    assert page.get_by_test_id("sentence").inner_text() == answer["sentence"]["en"]
    expect(page.get_by_test_id("kind")).to_contain_text("Area to area")
    dots = [
        float(one.get_attribute("data-value") or "nan")
        for one in page.locator("[data-testid=distribution] circle").all()
    ]
    known = answer["quantiles"]
    assert len(dots) == 10
    assert sum(known["q10"] <= value <= known["q90"] for value in dots) == 8
    assert (dots[0], dots[2], dots[7], dots[9]) == pytest.approx([known[q] for q in ("q05", "q25", "q75", "q95")])
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]


def test_two_taps_choose_two_zones_and_the_address_holds_their_ids(look: Look, lens_town: Any) -> None:
    page = look(WHERE)
    page.wait_for_selector("[data-testid=map][data-drawn*=Z]")
    tap(page, 0.3, 0.8)  # lower left: zone A
    tap(page, 0.5, 0.5)
    at_pair(page, "z1>z5")
    assert re.search(r"from=z1&to=z5", page.url)
    assert page.get_by_test_id("sentence").inner_text() == told(lens_town, "z1", "z5")["sentence"]["en"]
    page.get_by_test_id("swap").click()
    at_pair(page, "z5>z1")
    assert re.search(r"from=z5&to=z1", page.url)


def test_two_names_give_the_band_of_their_distance_and_say_so(look: Look, lens_town: Any) -> None:
    answer = told(lens_town, "z4", "z6")
    assert answer["band"]
    page = look(WHERE)
    for side, name in (("from", "Zone D"), ("to", "Zone F")):
        page.get_by_test_id(f"end-{side}").fill(name)
        page.get_by_role("option", name=name).click()
    at_pair(page, "z4>z6")
    expect(page.get_by_test_id("kind")).to_contain_text("Too few trips between these two")
    assert page.get_by_test_id("minutes").inner_text() == said(answer["median"])


def test_a_landmark_stays_out_of_the_address(look: Look) -> None:
    page = look(f"{WHERE}&from=z1")
    page.get_by_test_id("end-to").fill("tall")
    page.get_by_role("option", name="Tall Tower").click()
    page.wait_for_selector("[data-testid=pair]")
    assert not re.search(r"48\.8|2\.3\d|tower", page.url, re.IGNORECASE)
    assert "from=z1" in page.url


def test_the_map_tells_minutes_from_the_chosen_zone(look: Look, lens_town: Any) -> None:
    frame = lens_town.client.get("/v1/products/taxi/map", params={"at": AT, "from": "z1"}).json()
    page = look(f"{WHERE}&from=z1")
    expect(page.get_by_test_id("legend")).to_contain_text("Minutes from Zone A")
    page.wait_for_selector("[data-testid=map][data-drawn*=Z]")
    box = page.get_by_test_id("map").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".tip")).to_contain_text(f"{said(frame['mean'][frame['places'].index('z5')])} minutes")


def test_another_departure_is_set_by_a_tap_on_its_hour(look: Look, lens_town: Any) -> None:
    page = look(f"{WHERE}&from=z1&to=z5")
    at_pair(page, "z1>z5")
    later = told(lens_town, "z1", "z5")["series"][4]
    hours = page.get_by_test_id("hours").locator("button")
    expect(hours).to_have_count(24)
    assert float(hours.nth(4).get_attribute("data-value") or "nan") == pytest.approx(later["q50"])
    hours.nth(4).click()
    page.wait_for_selector(f"[data-testid=pair][data-at='{later['time']}']")
    assert page.get_by_test_id("minutes").inner_text() == said(later["q50"])
