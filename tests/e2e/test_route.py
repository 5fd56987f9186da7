"""From A to B, by taps or by name; other roads, other hours; and what lies ahead while moving."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Response, expect

pytestmark = pytest.mark.e2e
Look = Callable[..., Page]
AT = "2026-11-21T17:00:00Z"
WHERE = f"#/map/roads?at={AT}"
WIDTHS = pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["wide", "phone"])
UNSAID = re.compile(r"\b(safer|safest|más segur[oa]|plus sûre?)\b", re.IGNORECASE)
PLACES_IN_URL = re.compile(r"48\.\d|2\.3\d|zone|tower", re.IGNORECASE)


def number(value: float) -> str:
    """As the page writes small numbers in English: two significant digits."""
    return f"{value:.2g}" if value < 1 else f"{value:.1f}".removesuffix(".0")


def drawn(page: Page) -> Page:
    page.wait_for_selector("[data-testid=map][data-drawn*=Z]")
    return page


def tap(page: Page, x: float, y: float) -> None:
    """Tap the map at a share of its box."""
    box = page.get_by_test_id("map").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def named(page: Page, side: str, text: str) -> None:
    page.get_by_test_id(f"end-{side}").fill(text)
    page.get_by_role("option", name=text).click()


def routed(page: Page, act: Callable[[], None]) -> dict[str, Any]:
    """The payload that an act on the page asks for."""
    with page.expect_response(re.compile(r"/route$")) as found:
        act()
    reply: Response = found.value
    payload: dict[str, Any] = reply.json()
    return payload


@WIDTHS
def test_two_taps_are_answered_with_the_numbers_of_the_api(look: Look, size: tuple[int, int]) -> None:
    page = drawn(look(WHERE, size=size))
    tap(page, 0.3, 0.3)
    expect(page.locator("[data-mark=from]")).to_be_visible()
    told = routed(page, lambda: tap(page, 0.68, 0.42))
    page.wait_for_selector(f"[data-testid=route][data-at='{AT}']")
    first = told["routes"][0]
    assert page.get_by_test_id("expected").inner_text() == number(first["expected"])
    assert page.get_by_test_id("per-km").inner_text() == number(first["per_km"])
    assert page.get_by_test_id("sentence").inner_text() == told["sentence"]["en"]
    for one in told["routes"]:
        expect(page.locator(f"[data-road='{one['id']}']")).to_contain_text(number(one["expected"]))
    flagged = [zone["place"] for zone in first["zones"] if zone["is_flagged"]]
    shown = page.locator("[data-zone][data-flagged=true]")
    assert [one.get_attribute("data-zone") for one in shown.all()] == flagged
    for caveat in told["caveats"]:
        expect(page.locator(f"[data-caveat={caveat['id']}]")).to_contain_text(caveat["text"]["en"])
    assert not UNSAID.search(page.locator("body").inner_text())
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert not PLACES_IN_URL.search(page.url)


def test_two_names_swapped_and_another_road_chosen(look: Look) -> None:
    page = drawn(look(WHERE))
    named(page, "from", "Zone A")
    there = routed(page, lambda: named(page, "to", "Zone F"))
    assert (there["from"]["name"], there["to"]["name"]) == ("Zone A", "Zone F")
    back = routed(page, page.get_by_test_id("swap").click)
    assert (back["from"]["name"], back["to"]["name"]) == ("Zone F", "Zone A")
    assert len(back["routes"]) > 1
    other = back["routes"][1]
    page.locator(f"[data-road='{other['id']}']").click()
    expect(page.get_by_test_id("expected")).to_have_text(number(other["expected"]))
    assert not PLACES_IN_URL.search(page.url)
    page.get_by_test_id("clear").click()
    expect(page.get_by_test_id("route")).to_have_count(0)


def test_another_hour_is_set_by_a_tap_on_its_bar(look: Look) -> None:
    page = drawn(look(WHERE))
    named(page, "from", "Zone A")
    told = routed(page, lambda: named(page, "to", "Zone F"))
    bars = page.get_by_test_id("hours").locator("button")
    expect(bars).to_have_count(len(told["departures"]))
    expected = [departure["routes"][0]["expected"] for departure in told["departures"]]
    assert [float(one.get_attribute("data-value") or "nan") for one in bars.all()] == pytest.approx(expected)
    later = routed(page, bars.nth(5).click)
    assert later["depart_at"] == told["departures"][5]["depart_at"]
    assert later["routes"][0]["expected"] == pytest.approx(expected[5], rel=0.2)
    expect(page.get_by_test_id("expected")).to_have_text(number(later["routes"][0]["expected"]))
    expect(page.get_by_test_id("fewer")).to_have_text(later["words"]["hour"]["en"])


def test_a_lower_cutoff_flags_more_zones(look: Look) -> None:
    page = drawn(look(WHERE))
    named(page, "from", "Zone A")
    routed(page, lambda: named(page, "to", "Zone F"))
    told = routed(page, lambda: page.get_by_test_id("cutoff").select_option("1.25"))
    assert told["cutoff"] == {"lift": 1.25, "is_default": False}
    zones = told["routes"][0]["zones"]
    assert all(zone["is_flagged"] == (zone["lift"] > 1.25) for zone in zones)
    expect(page.locator("[data-zone][data-flagged=true]")).to_have_count(sum(zone["is_flagged"] for zone in zones))


def test_ends_without_an_answer_say_why(look: Look) -> None:
    page = drawn(look(WHERE))
    named(page, "from", "Zone A")
    named(page, "to", "Zone A")
    expect(page.get_by_test_id("no-answer")).to_contain_text("Both ends are the same")
    box = page.get_by_test_id("end-to")
    box.fill("Nowhere Road 5")
    page.get_by_text("No place found").wait_for()
    box.press("Enter")
    expect(page.get_by_test_id("no-answer")).to_contain_text("This address is not known")


def test_following_warns_ahead_within_the_budget_as_the_position_moves(look: Look) -> None:
    start, end = (48.8545, 2.312), (48.8553, 2.33)
    page = drawn(look(WHERE, permissions=["geolocation"], geolocation={"latitude": start[0], "longitude": start[1]}))
    asked: list[dict[str, Any]] = []
    page.on("request", lambda one: asked.append(one.post_data_json) if one.url.endswith("/near") else None)
    page.wait_for_timeout(200)
    assert asked == []  # nobody is followed who did not ask for it
    with page.expect_response(re.compile(r"/near$")):
        page.get_by_test_id("follow").click()
    with page.expect_response(re.compile(r"/near$")) as found:
        page.context.set_geolocation({"latitude": end[0], "longitude": end[1]})
    told = found.value.json()
    assert asked[-1]["heading"] == pytest.approx(86, abs=4)  # eastwards
    assert told["warnings"]
    assert len(told["warnings"]) <= told["budget"]["most"]
    warnings = page.get_by_test_id("warning")
    expect(warnings).to_have_count(len(told["warnings"]))
    expect(page.get_by_test_id("banner")).to_contain_text(told["warnings"][0]["sentence"]["en"])
    expect(page.get_by_test_id("speech")).not_to_be_checked()
    assert not PLACES_IN_URL.search(page.url)
    page.get_by_test_id("follow").click()
    expect(page.get_by_test_id("banner")).to_have_count(0)


def test_a_refused_position_is_said_calmly(look: Look) -> None:
    page = drawn(look(WHERE))
    page.get_by_test_id("follow").click()
    expect(page.get_by_test_id("banner")).to_contain_text("No permission to see your position")


def test_the_zone_lens_is_one_tap_away_and_stays_in_the_address(look: Look) -> None:
    page = drawn(look(WHERE))
    page.get_by_test_id("lens-switch").get_by_role("button", name="Zones").click()
    tap(page, 0.5, 0.5)
    expect(page.get_by_test_id("card")).to_have_attribute("data-place", "z5")
    assert "lens=zone" in page.url
    expect(page.get_by_test_id("legend")).to_contain_text("per place")
