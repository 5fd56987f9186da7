"""Sentences say what, how sure and how often it held, in three languages."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from urbancast.api import sentences, stock_words
from urbancast.api.sentences import Told
from urbancast.api.stock_words import Planned
from urbancast.core.product import LANGS

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2021, 10, 30, 8, tzinfo=PARIS)
SHARE = {"kind": "replay", "held": 0.791, "plus_minus": 0.052, "n": 1412}
NBSP, NARROW = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"


def told(**more: Any) -> Told:
    basis: dict[str, Any] = {
        "place": "Sébastopol", "at": NOW.replace(hour=18), "now": NOW, "grain": "1h",
        "unit": {"en": "bicycles/h", "es": "bicicletas/h", "fr": "vélos/h"},
        "label": {"en": "Injury crashes", "es": "Accidentes con heridos", "fr": "Accidents corporels"},
        "mean": 408.0, "median": 405.0, "low": 351.0, "high": 482.0, "usual": 300.0, "comparison": "busier",
        "is_chance": False, "is_simulated": False, "record": sentences.held(SHARE, None, 1412, "1h"),
    }  # fmt: skip
    return Told(**(basis | more))


def test_a_count_is_told_with_its_range_its_usual_and_its_record() -> None:
    words = sentences.tell(told())
    assert words["en"] == (
        "Today at 18:00, Sébastopol: about 400 bicycles/h; 8 in 10 chance of 350–480. Busier than usual (300). "
        f"Replayed over past days, the 80 % range held 79{NBSP}% (± 5) of 1,412 hours here at this time of day."
    )
    assert words["es"] == (
        "Hoy a las 18:00, Sébastopol: alrededor de 400 bicicletas/h; 8 de cada 10 veces, entre 350 y 480. "
        f"Más que de costumbre (300). Repitiendo días pasados, el intervalo del 80 % acertó el 79{NBSP}% (± 5) "
        "de 1.412 horas aquí a esta hora."
    )
    assert words["fr"] == (
        "Aujourd'hui à 18:00, Sébastopol : environ 400 vélos/h ; 8 chances sur 10 d'être entre 350 et 480. "
        f"Plus que d'habitude (300). En rejouant des jours passés, l'intervalle à 80 % a tenu 79{NBSP}% (± 5) "
        f"de 1{NARROW}412 heures ici à cette heure."
    )


def test_a_rare_count_is_told_as_a_chance_with_the_usual_one_beside() -> None:
    words = sentences.tell(told(mean=0.0953, usual=0.02, is_chance=True))
    assert words["en"].startswith(
        "Today at 18:00, Sébastopol: injury crashes in about 1 in 11 hours like this. More than usual (1 in 51 hours)."
    )
    assert "1 de cada 11 horas" in words["es"]
    assert "1 heure sur 11" in words["fr"]


@given(mean=st.floats(0, 5), grain=st.sampled_from(["1h", "1d", "15m"]))
def test_a_chance_is_as_likely_as_a_poisson_count_of_that_mean(mean: float, grain: str) -> None:
    import math

    p = 1 - math.exp(-mean)
    for lang in LANGS:
        found = [
            int(re.sub(r"\D", "", part)) for part in re.findall(rf"\d[\d.,{NARROW}]*", chance_of(mean, grain, lang))
        ]
        said = min(found) / max(found) if len(found) == 2 else 1.0
        assert said == pytest.approx(p, rel=0.25, abs=2e-6)


def chance_of(mean: float, grain: str, lang: Any) -> str:
    return sentences.chance(mean, grain, lang)


@pytest.mark.parametrize(
    ("days", "expected"),
    [(-1, "Yesterday at 18:00"), (0, "Today at 18:00"), (1, "Tomorrow at 18:00"), (2, "Monday 1 November at 18:00"),
     (70, "Saturday 8 January 2022 at 18:00")],
)  # fmt: skip
def test_days_are_named_by_the_local_calendar(days: int, expected: str) -> None:
    at = NOW.replace(hour=18) + timedelta(days=days)
    assert sentences.when(at, NOW, "1h", "en") == expected


def test_local_midnight_turns_the_day_not_utc() -> None:
    late = datetime(2021, 10, 30, 23, 30, tzinfo=PARIS)  # 21:30 UTC, the same UTC day
    assert sentences.when(late + timedelta(hours=1), late, "1h", "fr") == "Demain à 00:30"


def test_a_daily_forecast_has_no_clock_time() -> None:
    assert sentences.when(NOW, NOW, "1d", "es") == "Hoy"


def test_kinds_of_record_have_their_own_words() -> None:
    by_kind = {kind: sentences.held(SHARE | {"kind": kind}, None, 0, "1h") for kind in ("live", "replay", "backtest")}
    for lang in LANGS:
        assert len({words[lang] for words in by_kind.values()}) == 3


def test_below_thirty_it_is_too_early_and_the_citys_record_stands_beside() -> None:
    words = sentences.held(None, SHARE, 14, "1h")
    assert words["en"].startswith("Too early to say how often the range holds here (14 hours so far, 30 needed).")
    assert f"79{NBSP}% (± 5) of 1,412 hours across the city" in words["en"]
    alone = sentences.held(None, None, 0, "1h")
    assert "%" not in alone["fr"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0"),
        (0.04, "0"),
        (3.24, "3.2"),
        (9.97, "10"),
        (41.4, "41"),
        (199.6, "200"),
        (407, "410"),
        (12_345, "12,000"),
    ],
)
def test_numbers_are_rounded_as_people_say_them(value: float, said: str) -> None:
    assert sentences.number(value, "en") == said


@given(st.floats(0, 1e9))
def test_a_said_number_is_near_the_number(value: float) -> None:
    assert float(sentences.number(value, "en").replace(",", "")) == pytest.approx(value, rel=0.055, abs=0.05)


def test_simulated_is_said_in_every_language() -> None:
    words = sentences.tell(told(is_simulated=True))
    assert words["en"].endswith("Simulated data.")
    assert words["es"].endswith("Datos simulados.")
    assert words["fr"].endswith("Données simulées.")


def test_what_comes_in_clusters_is_told_as_a_rate_and_never_as_a_chance() -> None:
    words = sentences.tell(told(mean=0.05, usual=0.02, comparison="busier", is_chance=True, is_clustered=True))
    assert "one every 20 hours on average" in words["en"]
    assert "una cada 20 horas de media" in words["es"]
    assert "une toutes les 20 heures en moyenne" in words["fr"]
    assert not any("1 in" in text or "like this" in text for text in words.values())


@pytest.mark.parametrize("mean", [2.9, 5.0, 400.0])
def test_no_chance_is_told_as_a_certainty(mean: float) -> None:
    assert [sentences.chance(mean, "1h", lang).split(" ")[0] for lang in LANGS] == ["9", "9", "9"]


def test_days_have_their_own_gender() -> None:
    assert [sentences.chance(0.1, "1d", lang) for lang in LANGS] == [
        "1 in 11 days like this", "1 de cada 11 días como este", "1 jour sur 11 comme celui-ci"
    ]  # fmt: skip
    assert sentences.every(0.1, "1d", "fr").startswith("une tous les 10 jours")


def test_a_closed_hour_reads_as_one_sentence_and_names_the_next() -> None:
    shut = {"en": "Not regulated.", "es": "No regulado.", "fr": "Non réglementé."}
    words = sentences.not_open(shut, "Sol", (NOW.replace(hour=22), NOW + timedelta(days=2)), NOW, "1h")
    assert words["en"].startswith("Today at 22:00, Sol: not regulated. Next: ")
    assert words["es"].startswith("Hoy a las 22:00, Sol: no regulado. Siguiente: ")
    day = words["es"].split("Siguiente: ")[1]
    assert day[0].islower()


def test_a_fleet_too_small_or_too_large_is_never_certain() -> None:
    plan = {"days": 3, "day": NOW, "now": NOW, "places": 77, "level": 0.9, "stock": 1837, "low": 410.0, "high": 550.0,
            "is_simulated": True}  # fmt: skip
    few = stock_words.tell(Planned(**plan, fleet=1, worst=1.0))
    many = stock_words.tell(Planned(**plan, fleet=100_000, worst=0.0))
    assert f"over 99{NBSP}%" in few["en"]
    assert f"under 1{NBSP}%" in many["en"]
    assert "A fleet of 100,000" in many["en"]
    assert "1,837 vehicles" in many["en"]
    assert "à partir de aujourd" not in many["fr"]
    assert [few[lang].endswith(sentences.SIMULATED[lang]) for lang in LANGS] == [True] * 3
