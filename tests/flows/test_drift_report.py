"""The page on drift: one file that needs nothing else, found among the lake's files."""

from __future__ import annotations

import re

import pytest

from tests.flows.conftest import Open
from urbancast.core.errors import NotReadyError
from urbancast.flows import drift_report, pull
from urbancast.lake.store import Lake

# Evidently's own, met when it is imported and run.
THEIRS = [
    "ignore:numpy.core is deprecated:DeprecationWarning",
    "ignore::litestar.exceptions.LitestarWarning",
    "ignore::DeprecationWarning:evidently.*",
    "ignore::DeprecationWarning:litestar.*",
    "ignore::RuntimeWarning:evidently.*",
    "ignore::FutureWarning:evidently.*",
]


def test_without_data_there_is_no_page(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _), pytest.raises(NotReadyError, match="expected a day of data"):
        drift_report.run(job)


@pytest.mark.filterwarnings(*THEIRS)
def test_the_page_shows_the_series_and_loads_nothing_from_elsewhere(lake: Lake, riverton: Open) -> None:
    pytest.importorskip("evidently", reason="needs urbancast[reports]")
    with riverton(lake) as (job, _):
        pull.run(job)
        path = drift_report.run(job)
    assert path == "reports/riverton/2026-03-30/drift.html"
    assert lake.files.list("reports/riverton") == [path]
    page = lake.files.get(path).decode()
    assert "bikes over usual" in page
    assert re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=.https?:", page) == []
    assert re.findall(r"url\(.?https?:", page) == []
