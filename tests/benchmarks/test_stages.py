from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    """Rows of one small run of the stages of Riverton, by the work that they name."""
    out = tmp_path_factory.mktemp("stages") / "rows.json"
    script = ROOT / "benchmarks" / "speed" / "stages.py"
    command = [sys.executable, "-W", "error", str(script), "riverton", "--rows", "small", "--out", str(out)]
    environment = {**os.environ, "URBANCAST_PRODUCTS": str(ROOT / "tests" / "cities")}
    subprocess.run(command, check=True, cwd=out.parent, env=environment, stdout=subprocess.DEVNULL)
    return {row["work"]: row for row in json.loads(out.read_text("utf-8"))}


def the(rows: dict[str, Row], text: str) -> Row:
    (row,) = (row for work, row in rows.items() if work.startswith(f"riverton: {text}"))
    return row


@pytest.mark.parametrize(
    "stage", ["pull", "read", "training frame", "fit linear", "fit gbm", "fit seasonal_naive", "forecast", "verify"]
)
def test_every_stage_tells_rows_seconds_and_its_own_memory(rows: dict[str, Row], stage: str) -> None:
    row, idle = the(rows, stage), the(rows, "libraries loaded")
    assert row["rows"] > 0
    assert row["seconds"] > 0
    assert row["peak_mb"] > idle["peak_mb"]


def test_a_fit_sees_every_row_of_the_frame(rows: dict[str, Row]) -> None:
    frame = the(rows, "training frame")
    assert the(rows, "fit gbm")["rows"] == frame["rows"]
    assert the(rows, "fit gbm")["features"] == frame["features"]


def test_lag_columns_stand_beside_joins_with_the_same_values(rows: dict[str, Row]) -> None:
    row = the(rows, "lag columns")
    assert row["rows"] == the(rows, "training frame")["rows"]
    assert row["times_as_fast"] == pytest.approx(row["beside_seconds"] / row["seconds"], rel=0.3)
    assert "rows equal" in row["beside"]


def test_what_was_forecast_is_verified_to_the_last_row(rows: dict[str, Row]) -> None:
    assert the(rows, "verify")["rows"] == the(rows, "forecast")["rows"] == 4 * 48 * 4
