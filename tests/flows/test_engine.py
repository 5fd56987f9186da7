"""Where work runs changes nothing about what comes out."""

from __future__ import annotations

import math
import sys

import pytest

from urbancast.core.errors import ContractError
from urbancast.flows import engine

NUMBERS = [5, 3, 0, 4]
FACTORIALS = [120, 6, 1, 24]


def test_results_come_in_the_order_of_the_items() -> None:
    assert engine.each(math.factorial, NUMBERS) == FACTORIALS


def test_a_pool_gives_what_one_process_gives() -> None:
    assert engine.each(math.factorial, NUMBERS, engine="pool") == FACTORIALS


def test_a_pool_hands_back_the_error_of_its_worker() -> None:
    with pytest.raises(ValueError, match="negative"):
        engine.each(math.factorial, [1, -1], engine="pool")


def test_nothing_to_do_is_no_error() -> None:
    assert engine.each(math.factorial, []) == []


def test_a_name_nobody_knows_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ContractError, match=r"expected local, pool or tcp://.*found 'cloud'; set one"):
        engine.each(math.factorial, NUMBERS, engine="cloud")


def test_a_cluster_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)  # as if it were not installed
    with pytest.raises(ContractError, match=r"found none; install urbancast\[dask\]"):
        engine.each(math.factorial, NUMBERS, engine="tcp://127.0.0.1:8786")
