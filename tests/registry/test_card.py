"""A card says what a release is for, how well it does beside the baseline, whose data it needs, and where it ends."""

from __future__ import annotations

import re
from typing import Any

from urbancast.registry import card
from urbancast.registry.card import Card
from urbancast.registry.record import Decision

METRICS = {
    "rows": 1200.0,
    "days": 8.0,
    "coverage_80": 0.8125,
    "coverage_80.se": 0.01,
    "width_80": 31.5,
    "forecast_over_observed": 0.98765,
    "score.absolute_error": 12.3456,
    "score.absolute_error.se": 0.5,
    "baseline.absolute_error": 15.4321,
    "skill.absolute_error": 0.2,
    "skill.absolute_error.low": 0.1,
    "skill.absolute_error.high": 0.3,
    "score.crps": 8.0,
    "score.crps.se": 0.25,
    "baseline.crps": 0.0,
}
ROW = {"key": "08:00", "n": 52, "observed": 48.0, "loss": 10.17, "baseline_loss": 12.75, "coverage_80": 0.731}
FACTS: dict[str, Any] = {
    "product": {
        "id": "town",
        "measure": "count",
        "city": "Town",
        "question": "How many?",
        "label": "bicycles",
        "unit": "bicycles/h",
        "place_word": "counter",
        "grain": "1h",
        "horizon_h": 48.0,
    },
    "release": {
        "name": "count-gbm-1",
        "number": 1,
        "candidate": "gbm",
        "model": "gbm",
        "provenance": "live",
        "trained_until": "2021-06-01T06:00:00Z",
        "baseline": "seasonal_naive",
    },
    "windows": {"start": "2021-04-01", "end": "2021-06-01", "train_days": 60.0, "calibration_days": 14.0},
    "licences": [{"source": "counts", "name": "ODbL 1.0", "url": "https://example.org/odbl", "attribution": "Town"}],
    "texts": {"Fair use": "Not for <b>persons</b>.", "Limits and known faults": "A closed street looks like a fault."},
    "folds": [{"cut": "A", "origins": 4, "first_origin": "A", "last_origin": "B", "rows": 766}],
    "slices": {"hour": [{**ROW, "skill": 0.202}], "worst places": [{**ROW, "key": "a|b", "skill": None}]},
    "importance": [{"part": "trees", "feature": "lag_day_1", "share": 0.4}],
    "code": {
        "version": "0.1.0",
        "source": "0123456789abcdef",
        "product": "fedcba9876543210",
        "recipe": "abc",
        "seed": 7,
        "inputs": {"observations": "a1b2:9000"},
        "libraries": {"polars": "2.1.0"},
        "command": "urbancast train town --as-of 2021-06-01T06:00:00Z --lake LAKE",
    },
}


def told(**more: Any) -> str:
    release = {**FACTS["release"], **more}
    return card.markdown(Card(**{**FACTS, "release": release}, metrics=METRICS), None)


def test_every_score_stands_beside_the_baseline_with_its_interval() -> None:
    text = told()
    assert "| absolute error (of the median) | 12.35 ± 0.98 | 15.43 | +20.0% | +10.0% to +30.0% |" in text
    assert "| CRPS (of the whole) | 8 ± 0.49 | 0 | – | – |" in text
    assert "held 81.2% ± 2.0% of the time and was 31.5 wide; forecast over observed was 0.9877." in text
    assert "| 08:00 | 52 | 48 | 10.17 | 12.75 | +20.2% | 73.1% |" in text


def test_licences_limits_fair_use_and_the_way_to_make_it_again_are_there() -> None:
    text = told()
    assert "| `counts` | [ODbL 1.0](https://example.org/odbl) | Town |" in text
    for heading in ("Fair use", "Limits and known faults", "How to make it again", "What it goes by"):
        assert f"## {heading}\n" in text
    for fact in (
        "0123456789abcdef",
        "fedcba9876543210",
        "seed 7",
        "a1b2:9000",
        "polars 2.1.0",
        "--as-of 2021-06-01T06",
    ):
        assert fact in text


def test_only_a_simulation_is_called_one() -> None:
    assert card.SIMULATED not in told()
    assert card.SIMULATED in told(provenance="sample")


def test_a_verdict_is_said_with_its_numbers_or_said_to_be_missing() -> None:
    facts = Card(**FACTS, metrics=METRICS)
    assert "## Verdict\nNot decided yet." in card.markdown(facts, None)
    decision = Decision(
        product="town", measure="count", challenger="count-gbm-1", champion="count-naive-0", action="refused",
        reason="within noise", skill=0.01, low=-0.5, high=0.75, numbers={"rival": "naive"},
    )  # fmt: skip
    said = card.markdown(facts, decision)
    assert "It was refused: within noise. Against `naive` its skill was +1.0%" in said
    assert "between -0.5 and 0.75 (95 %, by days)" in said


def test_the_page_shows_tables_and_pictures_and_runs_nothing_of_its_text() -> None:
    page = card.html(told(), {"pictures/pit.png": b"\x89PNG"})
    assert page.count("<table>") == len(re.findall(r"^\| --- ", told(), flags=re.MULTILINE))
    assert 'alt="pit" src="data:image/png;base64,iVBORw=="' in page
    assert "Not for &lt;b&gt;persons&lt;/b&gt;." in page
    assert "<td>a|b</td>" in page
    assert "<script" not in page
