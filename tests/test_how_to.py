from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/how-to/add-a-product.md").read_text("utf-8")
FILES = dict(re.findall(r"```python (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [
    shlex.split(line) for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
]
AREAS = ("A1", "A2", "B1", "B2")


def write_data(folder: Path) -> None:
    """The page's two files: a season of hourly entries with a weekly shape, and four square areas."""
    at = pl.datetime_range(datetime(2025, 3, 1), datetime(2025, 7, 1), "1h", eager=True, time_zone="UTC")
    local = at.dt.convert_time_zone("Europe/Zurich")
    rng = np.random.default_rng(7)
    shape = 5 + 40 * np.exp(-(((local.dt.hour().to_numpy() - 15) / 4.0) ** 2)) * (
        1 + (local.dt.weekday().to_numpy() > 5)
    )
    frames = [
        pl.DataFrame(
            {"area": area, "moment": local.dt.strftime("%Y-%m-%d %H:%M"), "entries": rng.poisson(shape * (n + 1))}
        )
        for n, area in enumerate(AREAS)
    ]
    pl.concat(frames).write_csv(folder / "visits.csv")
    corners = [(7 + 0.02 * (n % 2), 47 + 0.02 * (n // 2)) for n in range(4)]
    features = [
        {
            "type": "Feature",
            "properties": {"code": area, "title": f"Area {area}"},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[x, y], [x + 0.02, y], [x + 0.02, y + 0.02], [x, y + 0.02], [x, y]]],
            },
        }
        for area, (x, y) in zip(AREAS, corners, strict=True)
    ]
    (folder / "areas.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def urbancast(words: list[str], folder: Path) -> str:
    environment = {**os.environ, "URBANCAST_PRODUCTS": "products", "URBANCAST_LAKE": "lake"}
    command = [sys.executable, "-m", "urbancast", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_makes_a_product_in_fewer_than_80_lines_of_ones_own() -> None:
    assert set(FILES) == {"product.py", "recipe.py", "observe.py"}
    own = [line for text in FILES.values() for line in text.splitlines() if line.strip()]
    assert len(own) < 80


def test_the_page_runs_as_it_is_written(tmp_path: Path) -> None:
    write_data(tmp_path)
    new, run = (next(words for words in COMMANDS if words[:2] == ["urbancast", verb]) for verb in ("new", "run"))
    urbancast(new[1:], tmp_path)
    for name, text in FILES.items():
        (tmp_path / "products" / "lakeside_visits" / name).write_text(text, "utf-8")
    found = json.loads(urbancast([*run[1:], "--json"], tmp_path))
    scores = [score for score in found["scores"] if score["lead"] == "all" and score["kind"] == "replay"]
    assert {score["rule"] for score in scores} <= {"seasonal_naive", "climatology"}
    assert all(score["n"] > 1000 for score in scores)
    served = json.loads(urbancast(["status", "--json"], tmp_path))
    mine = next(row for row in served if row["product"] == "lakeside_visits")
    assert datetime.fromisoformat(mine["origin"]) <= datetime(2025, 6, 27, tzinfo=UTC)
