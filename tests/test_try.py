from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from urbancast.cli import app
from urbancast.core.errors import UrbancastError

DAYS = 90


def table(path: Path, *, shaped: bool) -> Path:
    """Six stations for a season: daily shapes with day shocks a model can follow, or the same week for ever."""
    hours = pl.datetime_range(datetime(2025, 2, 1), datetime(2025, 5, 1), "1h", eager=True, closed="left")
    local = hours.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    rng = np.random.default_rng(3)
    hour, day = local.dt.hour().to_numpy(), np.arange(len(hours)) // 24
    level = np.cumsum(0.12 * rng.standard_normal(DAYS + 2))[day]
    mean = (5 + 60 * np.exp(-(((hour - 16) / 4.0) ** 2))) * np.exp(level)
    week = rng.integers(0, 400, 168)[local.dt.weekday().to_numpy() * 24 - 24 + hour]
    frames = [
        pl.DataFrame(
            {
                "station": f"S{n}",
                "when": local.dt.strftime("%Y-%m-%d %H:%M"),
                "rides": rng.poisson(mean) if shaped else week + n,
                "lat": 52.5 + 0.01 * n,
                "lon": 13.4,
            }
        )
        for n in range(6)
    ]
    pl.concat(frames).write_csv(path)
    return path


def run(path: Path, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "urbancast", "try", str(path), "--keep", str(folder), "--json", *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def refused(path: Path, folder: Path, *flags: str) -> str:
    """The error's words, which the command prints as a line."""
    with pytest.raises(UrbancastError) as caught:
        CliRunner().invoke(app, ["try", str(path), "--keep", str(folder), "--json", *flags], catch_exceptions=False)
    return str(caught.value)


def tried(path: Path, folder: Path) -> dict[str, Any]:
    done = run(path, folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_table_becomes_a_backtest_beside_the_simple_rules_a_sentence_and_a_chart(tmp_path: Path) -> None:
    found = tried(table(tmp_path / "rides.csv", shaped=True), tmp_path / "kept")
    assert (found["guess"]["place"], found["guess"]["value"], found["guess"]["tz"]) == (
        "station",
        "rides",
        "Europe/Berlin",
    )
    assert {"climatology", "seasonal_naive", "gbm", "linear"} <= {score["forecaster"] for score in found["scores"]}
    assert found["sentence"].startswith("Worth using" if found["is_worth_it"] else "Not worth")
    report = Path(found["report"]).read_text("utf-8")
    assert report.count("<svg") == 6
    assert found["sentence"].split(":")[0] in report
    assert found["has_map"]


def test_a_week_that_repeats_itself_is_not_worth_a_model_and_that_is_said(tmp_path: Path) -> None:
    found = tried(table(tmp_path / "weeks.csv", shaped=False), tmp_path / "kept")
    assert not found["is_worth_it"]
    assert found["sentence"].startswith("Not worth a model")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("when,rides\n" + "".join(f"2025-02-{d:02d} 10:00,{d}\n" for d in range(1, 20)), "28 days"),
        ("a,b\nx,y\nz,w\n", "--time"),
        ("", "table"),
    ],
)
def test_a_table_that_cannot_be_tried_is_refused_with_what_to_do(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "poor.csv"
    path.write_text(content)
    assert said in refused(path, tmp_path / "kept", "--tz", "Europe/Berlin")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "absent.csv" in refused(tmp_path / "absent.csv", tmp_path / "kept")


def test_the_doctor_names_a_folder_that_cannot_be_read_and_the_others_keep_working(tmp_path: Path) -> None:
    broken = tmp_path / "broken_town"
    broken.mkdir()
    (broken / "product.py").write_text("import nothing_of_this_name\n")
    environment = {"URBANCAST_PRODUCTS": str(tmp_path), "URBANCAST_LAKE": str(tmp_path / "lake"), "PATH": ""}
    command = [sys.executable, "-m", "urbancast", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 1
    assert not checks["products"]["is_well"]
    assert "broken_town" in checks["products"]["action"]
    assert "nothing_of_this_name" in checks["products"]["action"]
    assert checks["lake"]["is_well"]
    assert int(checks["products"]["found"].split()[0]) >= 2
