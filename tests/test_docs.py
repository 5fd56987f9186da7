from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")] + sorted(
    path for path in (ROOT / "docs").rglob("*.md") if "plans" not in path.parts
)
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code(text: str) -> str:
    """What a page marks as code: fenced blocks and inline code."""
    fenced = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "\n".join(fenced + re.findall(r"`([^`\n]+)`", text))


def verbs() -> set[str]:
    from urbancast.cli import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return {name for name, command in commands.items() if not command.hidden}


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def test_the_first_screen_shows_the_two_commands() -> None:
    first_screen = README.split("\n## ")[0]
    block = re.search(r"```sh\n(.*?)```", first_screen, re.DOTALL)
    assert block
    assert [line.split("#")[0].strip() for line in block[1].splitlines()] == ["make run", "make test"]
    assert "http://127.0.0.1:8000" in block[1]


def test_every_target_has_a_help_line() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == TARGETS
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in shown.splitlines()} == TARGETS


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_named_exists(page: Path) -> None:
    assert set(re.findall(r"\bmake ([a-z]+)\b", code(page.read_text("utf-8")))) <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_verb_named_exists(page: Path) -> None:
    assert set(re.findall(r"^(?:\S+/)?urbancast ([a-z]+)\b", code(page.read_text("utf-8")), re.MULTILINE)) <= verbs()


def test_the_readme_names_every_verb() -> None:
    assert set(re.findall(r"^\| `urbancast ([a-z]+)` \|", README, re.MULTILINE)) == verbs()


def test_every_option_named_in_a_readme_command_exists() -> None:
    from urbancast.cli import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for verb, rest in re.findall(r"^\.venv/bin/urbancast ([a-z]+)(.*)$", README, re.MULTILINE):
        group = getattr(commands[verb], "commands", {})
        command = group[rest.split()[0]] if group else commands[verb]
        known = {option for param in command.params for option in param.opts}
        assert set(re.findall(r"(?<= )--[a-z-]+", rest.split("#")[0])) <= known, verb


def test_the_readme_lists_the_products_as_they_promise() -> None:
    from urbancast import products

    rows = re.findall(r"^\| `([a-z]+_[a-z_]+)` \| (.*?) \| .*? \| (.*?) \| (\d+) days \|$", README, re.MULTILINE)
    promised = [
        (one.id, one.question["en"], one.measure.unit["en"], str(one.horizon.days))
        for one in products.discover().values()
    ]
    assert sorted(rows) == sorted(promised)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_internal_links_resolve(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{name(page)}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"{name(page)}: {target}"


def test_decisions_are_numbered_without_gap_or_repetition() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS]
    assert numbers == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("page", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_gives_context_choice_and_price_on_one_page(page: Path) -> None:
    text = page.read_text("utf-8")
    assert re.match(rf"# {page.name[:4]}: \S", text)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Choice", "Price"]
    assert len(text.split()) <= 600


def test_the_architecture_describes_every_table() -> None:
    from urbancast.core.tables import TABLES

    described = set(re.findall(r"`([a-z]+)`", (ROOT / "docs" / "architecture.md").read_text("utf-8")))
    assert set(TABLES) <= described


def test_the_python_example_of_the_readme_runs(tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example
    write_panel(tmp_path / "counts.parquet")
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", example[1]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "mae" in done.stdout
    assert "climatology" in done.stdout
    assert "q95" in done.stdout or "q05" in done.stdout


def write_panel(path: Path) -> None:
    """Ten weeks of hourly counts at three places: a daily wave and noise."""
    start, hours = datetime(2024, 3, 4, tzinfo=UTC), np.arange(24 * 70)
    seeded = np.random.default_rng(7)
    frames = [
        pl.DataFrame(
            {
                "place": place,
                "time": [start + timedelta(hours=int(hour)) for hour in hours],
                "value": seeded.poisson(level * (1.2 + np.sin(2 * np.pi * hours / 24))).astype(float),
            }
        )
        for place, level in (("north", 20), ("south", 60), ("harbour", 120))
    ]
    pl.concat(frames).write_parquet(path)
