"""The map in a real browser, against the API's own answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, Playwright, expect

if TYPE_CHECKING:
    Town = Any

pytestmark = pytest.mark.e2e
Visit = Callable[..., Page]
AT = "2026-11-21T17:00:00Z"


def drawn(page: Page) -> Page:
    page.wait_for_selector("[data-testid=map][data-drawn*=Z]")
    return page


def sentence(page: Page) -> str:
    return page.get_by_test_id("sentence").inner_text()


def card_at(page: Page, at: str) -> None:
    page.wait_for_selector(f"[data-testid=card][data-at='{at}']")


def test_the_map_opens_with_verbs_a_legend_and_the_simulated_mark(visit: Visit) -> None:
    page = drawn(visit())
    assert page.locator("nav.verbs b").all_inner_texts() == ["Ride", "Drive", "Park"]
    legend = page.get_by_test_id("legend")
    expect(legend).to_contain_text("Bicycles/h")
    assert legend.locator("li").count() == 5
    expect(page.get_by_test_id("watermark")).to_be_visible()
    page.get_by_test_id("simulated").click()
    expect(page.get_by_role("dialog")).to_contain_text("proves the machinery, not the forecast")


def test_a_place_found_by_name_tells_the_sentence_of_the_api(visit: Visit, town: Town) -> None:
    page = visit(f"#/map/ride?at={AT}")
    page.get_by_test_id("search").fill("old mar")
    page.get_by_role("option", name="Old Market").wait_for()
    page.keyboard.press("Enter")
    card_at(page, AT)
    told = town.answer("ride", "s3", AT)
    assert sentence(page) == told["sentence"]["en"]
    low, high = (f"{told['interval'][end]:.0f}"[:2] for end in ("low", "high"))
    assert re.search(rf"{low}\d*–{high}\d*", page.get_by_test_id("card").inner_text())
    assert "of 40 hours here" in page.get_by_test_id("record").inner_text()
    assert "place=s3" in page.url
    assert not re.search(r"48\.8|2\.3\d", page.url)


def test_a_click_on_a_zone_chooses_it(visit: Visit, town: Town) -> None:
    page = drawn(visit(f"#/map/drive?at={AT}"))
    page.get_by_test_id("map").click()  # the middle of the map is the middle of nine zones
    expect(page.get_by_test_id("card")).to_have_attribute("data-place", "z5")
    assert sentence(page) == town.answer("drive", "z5", AT)["sentence"]["en"]


def test_rare_events_are_told_in_words_without_a_range(visit: Visit) -> None:
    page = visit(f"#/map/drive?place=z5&at={AT}")
    card_at(page, AT)
    head = page.locator(".number").inner_text()
    assert re.fullmatch(r"about 1 in \d+ hours", head.lower())
    assert page.locator(".range").count() == 0


def test_arrow_keys_move_the_hour_and_the_card_follows(visit: Visit, town: Town) -> None:
    page = visit(f"#/map/ride?place=s4&at={AT}")
    card_at(page, AT)
    before = sentence(page)
    page.get_by_test_id("slider").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    card_at(page, "2026-11-21T20:00:00Z")
    assert sentence(page) == town.answer("ride", "s4", "2026-11-21T20:00:00Z")["sentence"]["en"] != before
    expect(page.get_by_test_id("slider")).to_have_attribute("aria-valuetext", "Saturday 21 November, 21:00")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("card")).to_have_count(0)


def test_playing_walks_through_the_hours(visit: Visit) -> None:
    page = drawn(visit(f"#/map/ride?at={AT}"))
    page.get_by_role("button", name="Play").click()
    page.wait_for_url(re.compile("at=2026-11-21T19:00:00Z"))
    page.get_by_role("button", name="Pause").click()


def test_every_word_follows_the_language(visit: Visit, town: Town) -> None:
    page = visit(f"#/map/ride?place=s3&at={AT}")
    card_at(page, AT)
    page.get_by_role("button", name="Français").click()
    assert page.locator("nav.verbs b").first.inner_text() == "Rouler"
    assert sentence(page) == town.answer("ride", "s3", AT)["sentence"]["fr"]
    assert page.locator("html").get_attribute("lang") == "fr"
    english = re.compile(r"\b(Record|Made|Licence|hours|today|value|doubt|Map|search)\b")
    assert english.findall(page.locator("body").inner_text().replace(sentence(page), "")) == []


def test_a_place_without_a_forecast_says_why_and_what_to_do(visit: Visit, town: Town) -> None:
    page = visit(f"#/map/ride?place=s6&at={AT}&lang=es")
    told = page.get_by_test_id("no-answer")
    expect(told).to_contain_text(town.answer("ride", "s6", AT)["sentence"]["es"])
    expect(told).to_contain_text("Pruebe otra hora o un lugar cercano")


def test_the_list_is_a_way_in_for_the_keyboard(visit: Visit) -> None:
    page = visit(f"#/map/ride?at={AT}")
    row = page.get_by_test_id("places").get_by_role("button", name="Opera")
    row.press("Enter")
    expect(page.get_by_test_id("card")).to_have_attribute("data-place", "s4")


def test_a_product_at_work_shows_how_far_it_is(visit: Visit) -> None:
    page = visit("#/map/park")
    expect(page.get_by_test_id("strip")).to_contain_text("Parkville training 40 %")
    expect(page.get_by_test_id("no-answer")).to_contain_text("Not ready yet")


def test_a_new_release_appears_without_a_reload(visit: Visit, town: Town) -> None:
    page = visit(f"#/map/ride?place=s3&at={AT}")
    card_at(page, AT)
    page.evaluate("window.stayed = true")
    name = town.promote("ride")
    page.get_by_text("Why this number?").click()
    expect(page.get_by_test_id("card")).to_contain_text(name)
    assert page.evaluate("window.stayed")


def test_a_phone_reads_the_whole_card_in_a_sheet(visit: Visit) -> None:
    page = visit(f"#/map/ride?place=s3&at={AT}", size=(360, 740))
    card_at(page, AT)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    expect(page.get_by_test_id("csv")).not_to_be_in_viewport()
    page.get_by_test_id("handle").click()
    page.get_by_test_id("csv").scroll_into_view_if_needed()
    expect(page.get_by_test_id("csv")).to_be_in_viewport()
    expect(page.get_by_test_id("slider")).to_be_in_viewport()
    page.get_by_test_id("menu").click()
    page.locator("nav.pages a", has_text="Track record").click()
    expect(page.get_by_role("heading", name="How we did")).to_be_visible()


def test_without_webgl_everything_but_the_moving_map_remains(
    visit: Visit, playwright: Playwright, chromium: str
) -> None:
    with playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-3d-apis"]) as plain:
        page = visit(f"#/map/drive?at={AT}", by=plain)
        expect(page.get_by_test_id("no-webgl")).to_be_visible()
        page.get_by_test_id("plain-map").locator("path[data-place=z7]").click()
        expect(page.get_by_test_id("card")).to_have_attribute("data-place", "z7")
        expect(page.get_by_test_id("chart").locator("canvas")).to_be_visible()
        page.get_by_test_id("search").fill("zone b")
        page.get_by_role("option", name="Zone B").click()
        expect(page.get_by_test_id("card")).to_have_attribute("data-place", "z2")


def test_the_track_record_never_pools_kinds(visit: Visit, town: Town) -> None:
    kinds = town.client.get("/v1/products/ride/track-record").json()["kinds"]
    page = visit("#/track-record/ride")
    for kind in ("replay", "backtest"):
        page.locator(f"[data-kind={kind}]").click()
        expect(page.locator(".figures")).to_contain_text(f"{kinds[kind]['n']:,}")
        expect(page.locator(".figures")).to_contain_text(f"{kinds[kind]['coverage_80'] * 100:.0f} %")
    page.locator("[data-kind=live]").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("Nothing of this kind yet")


def test_the_track_record_fits_a_phone(visit: Visit) -> None:
    page = visit("#/track-record/ride?lang=es", size=(360, 740))
    page.locator("[data-kind=replay]").click()
    expect(page.locator(".figures")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")


def test_simulated_places_are_listed_by_name(visit: Visit) -> None:
    page = visit(f"#/map/ride?at={AT}")
    names = page.get_by_test_id("places").locator(".name")
    expect(names).to_have_count(6)
    assert names.all_inner_texts() == sorted(names.all_inner_texts())


def test_the_plain_share_stands_beside_the_randomised_one(visit: Visit, town: Town) -> None:
    shares = town.client.get("/v1/products/ride/track-record").json()["kinds"]["replay"]
    assert abs(shares["plain_coverage_80"] - shares["coverage_80"]) > 0.01
    page = visit("#/track-record/ride")
    page.locator("[data-kind=replay]").click()
    expect(page.locator(".figures")).to_contain_text(f"plain share {shares['plain_coverage_80'] * 100:.0f} %")
