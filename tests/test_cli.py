"""Every verb of the command line, on a town small enough to live through; errors are one clear line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from urbancast import products
from urbancast.cli import app
from urbancast.core.errors import ContractError, NotReadyError, QueryError
from urbancast.settings import settings

CITIES = Path(__file__).resolve().parent / "cities"
AS_OF, UNTIL = "2026-03-29T10:00Z", "2026-03-31T10:00Z"
EARLY = "1999-01-01T00:00Z"


@dataclass(frozen=True)
class Cli:
    """The command line over one lake."""

    lake: str

    def __call__(self, *words: str) -> str:
        """What a verb prints to standard output; its own error is raised as it is."""
        result = CliRunner().invoke(app, [*words, "--lake", self.lake], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))


def test_the_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"urbancast {metadata.version('urbancast')}\n")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(autouse=True)
def _riverton(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    monkeypatch.setenv("URBANCAST_PRODUCTS", str(CITIES))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home / 'mlflow.db'}")
    monkeypatch.chdir(home)
    settings.cache_clear()
    products.forget()
    yield
    settings.cache_clear()
    products.forget()


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What `run` printed, kept by the first test that asks."""
    return {}


@pytest.fixture
def cli(home: Path, told: dict[str, Any]) -> Cli:
    """The command line over a lake after `urbancast run`: two days lived and verified."""
    command = Cli(str(home / "lake"))
    if not told:
        told.update(command.json("run", "riverton", "--sample", "--as-of", AS_OF, "--until", UNTIL))
    return command


def test_products_lists_each_with_its_unit_and_question() -> None:
    result = CliRunner().invoke(app, ["products", "--json"], catch_exceptions=False)
    listed = {row["id"]: row for row in json.loads(result.stdout)}
    assert {"riverton", *listed} == set(products.discover())
    assert listed["riverton"]["unit"] == "bicycles/h"
    assert listed["riverton"]["horizon"] == "48h"
    table = CliRunner().invoke(app, ["products"], catch_exceptions=False).stdout
    assert all(name[:8] in table for name in listed)


def test_run_prints_every_score_beside_the_baseline_on_the_same_rows(cli: Cli, told: dict[str, Any]) -> None:
    assert told["product"] == "riverton"
    assert told["verdicts"]["bikes"]["action"] == "promoted"
    rows = [row for row in told["scores"] if row["lead"] == "all"]
    assert {row["forecaster"] for row in rows} >= {"seasonal_naive", champion(told).split("-")[1]}
    assert len({row["n"] for row in rows}) == 1
    for row in rows:
        assert row["skill"] == pytest.approx(1 - row["value"] / row["baseline"])
        assert row["low"] <= row["high"]
        assert 0 <= row["held_80"] <= 1
    assert any(row["value"] == row["baseline"] for row in rows)  # the baseline is one of those shown
    assert {row["kind"] for row in told["scores"]} == {"replay"}  # the days lived are long past


def test_status_says_what_is_served_and_what_ran_last(cli: Cli, told: dict[str, Any]) -> None:
    rows = {row["product"]: row for row in cli.json("status")}
    assert rows["riverton"]["provenance"] == "sample"
    assert rows["riverton"]["releases"] == {"bikes": champion(told)}
    assert rows["riverton"]["last_step"].endswith("done")
    other = next(row for name, row in rows.items() if name != "riverton")
    assert (other["origin"], other["last_step"]) == (None, None)


@pytest.mark.parametrize("table", ["forecasts", "scores", "observations"])
@pytest.mark.parametrize(("suffix", "read"), [(".csv", pl.read_csv), (".parquet", pl.read_parquet)])
def test_export_writes_every_row_and_says_that_it_is_simulated(
    cli: Cli, tmp_path: Path, table: str, suffix: str, read: Callable[[Path], pl.DataFrame]
) -> None:
    to = tmp_path / f"{table}{suffix}"
    said = cli.json("export", "riverton", table, str(to))
    rows = read(to)
    assert said == {"rows": rows.height, "file": str(to)}
    assert rows.height > 0
    assert rows["simulated"].all()
    assert set(rows["provenance"]) == {"sample"}


def test_forecast_moves_the_origin_and_its_time_is_told(cli: Cli) -> None:
    said = cli.json("forecast", "riverton", "--as-of", "2026-03-31T11:00Z")
    assert said["origin"] == "2026-03-31T11:00:00Z"
    assert said["rows"] >= 2 * 4 * 48  # the champion, and what forecasts in its shadow
    assert said["rows"] % (4 * 48) == 0
    row = next(row for row in cli.json("status") if row["product"] == "riverton")
    assert row["origin"] == "2026-03-31T11:00:00Z"


def test_replay_and_verify_print_the_same_days_beside_the_baseline(cli: Cli) -> None:
    replayed = cli.json("replay", "riverton", "--days", "1", "--as-of", UNTIL)
    verified = cli.json("verify", "riverton", "--as-of", UNTIL)
    assert replayed == verified
    assert {row["kind"] for row in verified} == {"replay"}
    assert all(row["n"] > 0 and row["baseline"] > 0 for row in verified)


def test_backtest_prints_every_candidate_on_the_same_rows(cli: Cli) -> None:
    rows = [row for row in cli.json("backtest", "riverton", "--as-of", UNTIL) if row["lead"] == "all"]
    assert {row["forecaster"] for row in rows} == {"seasonal_naive", "climatology", "linear", "gbm"}
    assert len({(row["n"], row["baseline"]) for row in rows}) == 1


def test_maintain_leaves_every_row_where_it_was(cli: Cli, tmp_path: Path) -> None:
    before = cli.json("export", "riverton", "forecasts", str(tmp_path / "before.csv"))["rows"]
    said = cli.json("maintain")
    assert said["observations"]["files"] <= said["observations"]["files_before"]
    assert cli.json("export", "riverton", "forecasts", str(tmp_path / "after.csv"))["rows"] == before


def test_rollback_serves_the_release_before_and_names_it(cli: Cli, told: dict[str, Any]) -> None:
    said = cli.json("rollback", "riverton")
    was = told["verdicts"]["bikes"]["champion"]
    assert said["bikes"].rpartition("-")[0] == was.rpartition("-")[0]  # the same rule, as it was measured last
    row = next(row for row in cli.json("status") if row["product"] == "riverton")
    assert row["releases"] == said
    again = cli.json("rollback", "riverton", "--to", champion(told))
    assert again == {"bikes": champion(told)}


@pytest.mark.parametrize(
    ("words", "error", "told_of"),
    [
        (["forecast", "atlantis"], QueryError, ("unknown-product", "riverton", "'atlantis'")),
        (["pull", "riverton", "--source", "counts"], QueryError, ("malformed-source", "NAME=PATH_OR_URL", "counts")),
        (["pull", "riverton", "--source", "=x.csv"], QueryError, ("malformed-source", "NAME=PATH_OR_URL")),
        (["pull", "riverton", "--source", "cuonts=x"], QueryError, ("unknown-source", "riverton: counts", "'cuonts'")),
        (["pull", "riverton", "--sample", "--live"], ContractError, ("--sample, --live, --source", "keep one")),
        (["forecast", "riverton", "--as-of", "yesterday"], QueryError, ("malformed-time", "'yesterday'", "offset")),
        (["forecast", "riverton", "--as-of", "2026-03-31T10:00"], QueryError, ("malformed-time", "offset")),
        (["forecast", "riverton", "--as-of", "NaN"], QueryError, ("malformed-time", "'NaN'")),
        (
            ["run", "riverton", "--sample", "--as-of", UNTIL, "--until", AS_OF],
            QueryError,
            ("malformed-window", "--until"),
        ),
        (["rollback", "riverton", "--measure", "cars"], QueryError, ("unknown-measure", "bikes", "'cars'")),
        (["rollback", "riverton", "--to", "bikes-none"], NotReadyError, ("bikes-none", "found none")),
        (["replay", "riverton", "--days", "0"], QueryError, ("malformed-days", "0")),
        (["replay", "riverton", "--days", "-3"], QueryError, ("malformed-days", "-3")),
        (["replay", "riverton", "--days", "66", "--as-of", UNTIL], ContractError, ("give a longer history",)),
        (["replay", "riverton", "--days", "4000"], NotReadyError, ("observations known at", "name a later time")),
        (["backtest", "riverton", "--as-of", EARLY], NotReadyError, ("observations known at", "name a later time")),
        (["forecast", "riverton", "--as-of", EARLY], NotReadyError, ("known at 1999-01-01", "name a later time")),
        (["export", "riverton", "passwords", "x.csv"], QueryError, ("unknown-table", "passwords")),
        (["export", "riverton", "scores", "x.xlsx"], QueryError, ("unknown-format", ".csv or .parquet", "x.xlsx")),
    ],
)
def test_bad_input_is_refused_by_name_and_moves_nothing(
    cli: Cli, words: list[str], error: type[Exception], told_of: tuple[str, ...]
) -> None:
    before = served_by(cli)
    with pytest.raises(error) as caught:
        cli(*words)
    assert all(part in str(caught.value) for part in told_of), str(caught.value)
    assert served_by(cli) == before


def champion(told: dict[str, Any]) -> str:
    name: str = told["verdicts"]["bikes"]["challenger"]
    return name


def served_by(cli: Cli) -> list[tuple[Any, ...]]:
    return sorted((row["product"], row["origin"], row["releases"]) for row in cli.json("status"))  # the worst is first


@pytest.mark.parametrize(
    ("words", "told_of"),
    [
        (("forecast", "riverton"), "run `urbancast pull riverton` first"),
        (("rollback", "riverton"), "expected a baseline release"),
        (("verify", "riverton"), None),
    ],
)
def test_a_lake_with_nothing_in_it_says_what_to_do_first(
    tmp_path: Path, words: tuple[str, ...], told_of: str | None
) -> None:
    command = Cli(str(tmp_path / "empty"))
    if told_of is None:
        assert command.json(*words) == []
        return
    with pytest.raises(NotReadyError, match=told_of):
        command(*words)


@pytest.mark.parametrize(
    ("words", "told_of"),
    [
        (["forecast", "atlantis"], "QueryError unknown-product: expected one of"),
        (["forecast", "riverton", "--as-of", "soon"], "QueryError malformed-time: expected an ISO 8601 time"),
    ],
)
def test_an_error_is_one_line_on_standard_error_and_exit_code_1(tmp_path: Path, words: list[str], told_of: str) -> None:
    command = [sys.executable, "-m", "urbancast", *words, "--lake", str(tmp_path / "lake")]
    done = subprocess.run(command, env=os.environ | {"COLUMNS": "60"}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.strip().startswith(told_of)
