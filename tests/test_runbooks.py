"""Every kind of alert has its page, and a page names only what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from urbancast.monitoring.alerts import ACTIONS, KINDS, Found, runbook

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
SECTIONS = ["What it means", "What a user sees", "What to look at", "What to do", "When it ends"]


def commands() -> dict[str, set[str]]:
    """Verbs of the command line with their options."""
    from urbancast.cli import app

    found = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return {verb: {option for param in one.params for option in param.opts} for verb, one in found.items()}


def test_every_kind_has_its_page_and_every_page_its_kind() -> None:
    assert {page.stem for page in PAGES} == set(KINDS)
    assert all((ROOT / runbook(kind)).is_file() for kind in KINDS)


def test_the_plan_s_kinds_are_all_here() -> None:
    plan = (ROOT / "docs" / "plans" / "0004-the-loop.md").read_text("utf-8")
    listed = re.search(r"Kinds: (.*?)\. Channels", plan)
    assert listed
    assert set(re.findall(r"`([a-z-]+)`", listed[1])) == set(KINDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_is_seen_and_done_in_commands_that_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    known = commands()
    named = re.findall(r"(?:^|`)urbancast ([a-z]+)([^`\n#]*)", text, re.MULTILINE)
    assert named
    for verb, rest in named:
        assert verb in known, f"{page.name}: urbancast {verb}"
        assert set(re.findall(r"--[a-z-]+", rest)) <= known[verb], f"{page.name}: urbancast {verb}{rest}"


def test_what_to_do_ends_with_its_page() -> None:
    found = Found(alert="stale-source:counts", severity="warning", message="")
    assert found.action == f"{ACTIONS['stale-source']} See docs/runbooks/stale-source.md."
