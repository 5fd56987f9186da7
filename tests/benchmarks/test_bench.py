from __future__ import annotations

import runpy
from pathlib import Path

import pytest

BENCH = runpy.run_path(str(Path(__file__).resolve().parents[2] / "benchmarks" / "bench.py"))
ROW = {
    "question": "cyclists per hour",
    "measured_on": "56 counters",
    "score": "MAE",
    "unit": "bicycles/h",
    "rule": "week before",
    "rule_score": 20.0,
    "ours": 15.0,
    "held": 0.801,
}


def cells(row: dict[str, object]) -> list[str]:
    last = BENCH["accuracy_table"]([row]).splitlines()[-1]
    return [cell.strip() for cell in last.strip("|").split("|")]


def test_ours_stands_beside_the_rule() -> None:
    assert cells(ROW)[2:] == ["MAE, bicycles/h", "20 (week before)", "15 (25 % better)", "80.1 %"]


def test_a_loss_is_shown_as_one() -> None:
    assert "**worse**" in cells(ROW | {"ours": 20.5})[4]


def test_a_difference_too_small_to_show_is_none() -> None:
    assert "no difference" in cells(ROW | {"ours": 20.0001})[4]


def test_a_row_without_its_rule_is_refused() -> None:
    with pytest.raises(SystemExit, match="rule_score"):
        cells({key: value for key, value in ROW.items() if key != "rule_score"})


def test_writing_a_table_leaves_the_rest_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench:a begin -->\nold\n<!-- bench:a end -->\nafter\n")
    for _ in range(2):
        BENCH["write"](page, "a", "| new |")
    assert page.read_text() == "before\n<!-- bench:a begin -->\n| new |\n<!-- bench:a end -->\nafter\n"


def test_a_page_that_lost_its_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench:a begin -->\n")
    with pytest.raises(SystemExit, match="markers"):
        BENCH["write"](page, "a", "| new |")


def test_the_pages_have_their_markers() -> None:
    root = Path(BENCH["ROOT"])
    pages = (("README.md", "accuracy"), ("benchmarks/README.md", "accuracy"), ("benchmarks/README.md", "speed"))
    for page, name in pages:
        text = (root / page).read_text("utf-8")
        assert text.count(f"<!-- bench:{name} begin -->") == text.count(f"<!-- bench:{name} end -->") == 1
