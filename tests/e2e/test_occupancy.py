"""Paid, occupied and the chance of a free space, on the card of a zone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.e2e
Look = Callable[..., Page]
AT, NIGHT = "2026-11-21T17:00:00Z", "2026-11-21T22:00:00Z"
WIDTHS = pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["wide", "phone"])


def percent(share: float) -> str:
    return f"{share * 100:.{1 if abs(share) < 0.0995 else 0}f}".removesuffix(".0") + "\u00a0%"


def opened(look: Look, where: str, size: tuple[int, int]) -> Page:
    page = look(where, size=size)
    page.wait_for_selector("[data-testid=card]")
    if size[0] < 860:
        page.get_by_test_id("handle").click()
    return page


@WIDTHS
def test_three_things_stand_apart_with_the_numbers_of_the_api(
    look: Look, lens_town: Any, size: tuple[int, int]
) -> None:
    place = "z3" if size[0] > 860 else "z5"  # one where the assumption decides, one where the forecast does
    told = lens_town.answer("kerb", place, AT)["occupancy"]
    assert told["is_prior_dominant"] == (place == "z3")
    page = opened(look, f"#/map/kerb?place={place}&at={AT}", size)
    paid, occupied, chance = (page.get_by_test_id(name) for name in ("paid", "occupied", "chance"))
    expect(paid).to_contain_text(percent(told["paid"]["share"]))
    expect(occupied).to_contain_text(percent(told["occupied"]["share"]))
    expect(page.get_by_test_id("free-class")).to_contain_text(told["free_share_class"])
    expect(chance).to_contain_text("model estimate, not verified")
    tenths = [min(9, max(1, round(10 * one["chance"]))) for one in told["chances"]]
    if told["is_prior_dominant"]:
        said = re.search(r"(Busier|Quieter) than \d of 10", told["sentence"]["en"])
        assert said
        expect(chance).to_contain_text(said[0])
    else:
        assert [int(n) for n in re.findall(r"about (\d) in 10", chance.inner_text())] == tenths
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]


def test_moving_the_assumption_asks_the_api_again(look: Look, lens_town: Any) -> None:
    page = opened(look, f"#/map/kerb?place=z3&at={AT}", (1280, 800))
    default = lens_town.answer("kerb", "z3", AT)["occupancy"]
    slider = page.locator("[data-testid=prior][data-measure=green]")
    with page.expect_response(re.compile(r"/answer$")) as asked:
        slider.fill("0.05")
    sent = asked.value.request.post_data_json
    assert sent == {"place": "z3", "at": AT, "measure": "paid", "prior": {"green": 0.05}}
    told = asked.value.json()["occupancy"]
    assert told["parts"][0]["prior"] == 0.05
    expect(page.get_by_test_id("occupied")).to_contain_text(percent(told["occupied"]["share"]))
    assert page.get_by_test_id("paid").inner_text().count(percent(told["paid"]["share"])) == 1
    page.get_by_role("button", name="Back to the default").click()
    expect(page.get_by_test_id("occupied")).to_contain_text(percent(default["occupied"]["share"]))
    assert told["occupied"]["share"] < default["occupied"]["share"]


def test_a_closed_hour_says_so_and_leads_to_the_next_open_one(look: Look, lens_town: Any) -> None:
    told = lens_town.answer("kerb", "z3", NIGHT)
    assert told["state"] == "closed"
    page = opened(look, f"#/map/kerb?place=z3&at={NIGHT}", (1280, 800))
    closed = page.get_by_test_id("closed")
    expect(closed).to_contain_text("Not regulated at this hour")
    expect(closed).to_contain_text(told["sentence"]["en"])
    closed.get_by_role("button").click()
    page.wait_for_selector(f"[data-testid=card][data-at='{told['opens_at']}']")
    expect(page.get_by_test_id("occupancy")).to_be_visible()


def test_a_searched_street_is_asked_for_in_the_body_and_named_nowhere_in_the_address(look: Look) -> None:
    page = look(f"#/map/kerb?at={AT}")
    page.get_by_test_id("search").fill("z5 lane")
    with page.expect_response(re.compile(r"/answer$")) as asked:
        page.get_by_role("option", name="z5 Lane").click()
    assert asked.value.request.post_data_json["address"] == "z5 Lane"
    assert asked.value.json()["occupancy"]["where"] == "point"
    expect(page.get_by_test_id("occupancy")).to_contain_text("Near z5 Lane")
    assert "place=z5" in page.url
    assert "Lane" not in page.url


@WIDTHS
def test_an_unknown_question_is_said_and_not_swapped_for_another(look: Look, size: tuple[int, int]) -> None:
    page = look("#/map/nope", size=size)
    expect(page.get_by_test_id("no-answer")).to_contain_text("“nope” is not one of the questions")
    page.get_by_role("button", name=re.compile("^Park")).last.click()
    expect(page.get_by_test_id("places")).to_be_attached()
