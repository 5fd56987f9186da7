"""Where work runs changes nothing about what comes out."""

from __future__ import annotations

import math
import sys

import pytest
from distributed import LocalCluster

from tests.flows.conftest import Open
from urbancast.core.errors import ContractError
from urbancast.flows import backtest, engine, pull
from urbancast.lake.store import Lake
from urbancast.settings import settings

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


def test_a_cluster_by_its_address_gives_what_one_process_gives() -> None:
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=None
    ) as cluster:
        assert engine.each(math.factorial, NUMBERS, engine=cluster.scheduler_address) == FACTORIALS


def test_a_backtest_in_a_pool_is_the_backtest_of_one_process(
    lake: Lake, riverton: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with riverton(lake) as (job, _):
        pull.run(job)
        here = backtest.run(job)["bikes"].losses
        monkeypatch.setenv("URBANCAST_ENGINE", "pool")
        settings.cache_clear()
        there = backtest.run(job)["bikes"].losses
    assert here.height > 0
    assert here.equals(there)
