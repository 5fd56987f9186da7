"""Riverton, a product small enough to live through its whole loop in a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from tests.flows.process import Zygote, zygote
from urbancast import products
from urbancast.flows.job import Clock, Job, Teller, tell_nobody
from urbancast.lake.store import Lake
from urbancast.portals.emulator import Emulator
from urbancast.settings import settings

CITIES = Path(__file__).resolve().parents[1] / "cities"
NOW = datetime(2026, 3, 31, 10, tzinfo=UTC)  # two days after the clocks changed


class Open(Protocol):
    """Open Riverton's job on a lake, with its emulator."""

    def __call__(self, lake: Lake, *, teller: Teller = tell_nobody) -> AbstractContextManager[tuple[Job, Emulator]]: ...


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One tracking database a session: MLflow takes seconds to make its tables."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(scope="session")
def forked(tracking: str) -> Iterator[Zygote]:
    """What forks a process for each flow of Riverton: one a session, for it takes seconds to load."""
    with riverton_zygote(tracking) as one:
        yield one


def riverton_zygote(tracking: str) -> AbstractContextManager[Zygote]:
    """A zygote for Riverton; short-lived processes beside each other, with a thread each."""
    return zygote(URBANCAST_PRODUCTS=str(CITIES), MLFLOW_TRACKING_URI=tracking, POLARS_MAX_THREADS="1")


@pytest.fixture(autouse=True)
def _riverton(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tracking: str) -> Iterator[None]:
    monkeypatch.setenv("URBANCAST_PRODUCTS", str(CITIES))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking)
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    products.forget()
    yield
    settings.cache_clear()
    products.forget()


@pytest.fixture
def riverton() -> Open:
    """Open Riverton's job; what is told goes to ``teller``."""

    @contextmanager
    def opened(lake: Lake, *, teller: Teller = tell_nobody) -> Iterator[tuple[Job, Emulator]]:
        clock = Clock(now=NOW)
        with Emulator(products.sample("riverton").datasets(), clock=lambda: clock.now) as emulator:
            yield (
                Job(
                    product=products.get("riverton"),
                    recipe=products.recipe("riverton"),
                    lake=lake,
                    now=NOW,
                    provenance="sample",
                    portal_url=emulator.url,
                    clock=clock,
                    teller=teller,
                ),
                emulator,
            )

    return opened
