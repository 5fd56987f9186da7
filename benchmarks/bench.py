"""Run the benchmarks and write their tables between the markers of the pages that show them.

Each script in `accuracy/` and `speed/` writes its rows to `out/<its name>.json`; see `README.md` here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OUT = HERE / "out"
Row = Mapping[str, Any]
ACCURACY_HEAD = ("question", "measured on real data", "score", "best simple rule", "ours", "80 % range held")
ACCURACY_KEYS = {"question", "measured_on", "score", "unit", "rule", "rule_score", "ours", "held"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen scripts and write the tables; 1 when a script failed or had no data."""
    parser = argparse.ArgumentParser(description="Run the benchmarks and write their tables.")
    parser.add_argument("names", nargs="*", help="scripts by name [default: all]; others keep their last rows")
    parser.add_argument("--render", action="store_true", help="only write the tables from the last rows")
    chosen = parser.parse_args(arguments)
    found = scripts()
    OUT.mkdir(exist_ok=True)
    failed = [] if chosen.render else [path.stem for path in found if is_chosen(path, chosen.names) and not run(path)]
    missing = [path.stem for path in found if not (OUT / f"{path.stem}.json").exists()]
    if failed or missing:
        print(f"tables left as they are; failed: {failed or 'none'}, without rows: {missing or 'none'}")
        return 1
    write(ROOT / "README.md", "accuracy", accuracy_table(headlines()))
    write(HERE / "README.md", "accuracy", accuracy_table(rows_of("accuracy")))
    write(HERE / "README.md", "speed", speed_tables())
    print("tables written to README.md and benchmarks/README.md")
    return 0


def scripts() -> list[Path]:
    """Benchmark scripts, accuracy first, in order of name."""
    folders = (HERE / "accuracy", HERE / "speed")
    return [path for folder in folders for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")]


def is_chosen(path: Path, names: Sequence[str]) -> bool:
    """Whether a script is to run."""
    return not names or path.stem in names


def run(path: Path) -> bool:
    """Run one script in a process of its own; False when it failed."""
    print(f"{path.relative_to(ROOT)} …", flush=True)
    (OUT / f"{path.stem}.json").unlink(missing_ok=True)
    start = time.perf_counter()
    code = subprocess.run([sys.executable, str(path)], cwd=ROOT, check=False).returncode
    print(f"  {'done' if code == 0 else f'failed with {code}'} in {time.perf_counter() - start:.0f} s", flush=True)
    return code == 0


def rows_of(folder: str) -> list[Row]:
    """Rows written by the scripts of a folder, in order of script."""
    kept: list[Row] = []
    for path in scripts():
        if path.parent.name == folder:
            kept += json.loads((OUT / f"{path.stem}.json").read_text("utf-8"))
    return kept


def headlines() -> list[Row]:
    """One row of each accuracy script for a first screen: its first, whatever it says, without the small print."""
    first = [
        json.loads((OUT / f"{path.stem}.json").read_text("utf-8"))[0]
        for path in scripts()
        if path.parent.name == "accuracy"
    ]
    return [{**row, "measured_on": row["measured_on"].partition(";")[0], "noise": noise(row)} for row in first]


def noise(row: Row) -> str:
    """Words for a gain that chance alone could give, as its script found; empty for any other."""
    return ", within noise" if "within noise" in row["measured_on"] else ""


def accuracy_table(rows: Sequence[Row]) -> str:
    """Markdown: every row beside its simple rule, losses as plainly as wins."""
    for row in rows:
        if absent := ACCURACY_KEYS - row.keys():
            raise SystemExit(f"benchmark row {row.get('question')!r}: expected also {sorted(absent)}")
    lines = [
        (
            row["question"],
            row["measured_on"],
            f"{row['score']}, {row['unit']}" if row["unit"] else row["score"],
            f"{number(row['rule_score'])} ({row['rule']})",
            f"{number(row['ours'])} ({against(row['ours'], row['rule_score'])}{row.get('noise', '')})",
            share(row["held"]),
        )
        for row in rows
    ]
    return markdown(ACCURACY_HEAD, lines)


def speed_tables() -> str:
    """Markdown: a table of its own for each speed script, under its name."""
    found = [path for path in scripts() if path.parent.name == "speed"]
    tables = [(path.stem, json.loads((OUT / f"{path.stem}.json").read_text("utf-8"))) for path in found]
    return "\n\n".join(f"### {name}\n{plain_table(rows)}" for name, rows in tables)


def plain_table(rows: Sequence[Row]) -> str:
    """Markdown with one column per key, in order of first appearance."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    lines = [[number(row[key]) if key in row else "–" for key in keys] for row in rows]
    return markdown([key.replace("_", " ") for key in keys], lines)


def against(ours: float, rule: float) -> str:
    """Difference of two losses in words: lower is better."""
    percent = 100 * (1 - ours / rule)
    digits = 0 if abs(percent) >= 10 else 1 if abs(percent) >= 0.1 else 2
    if round(percent, digits) == 0:
        return "no difference"
    return f"{abs(percent):.{digits}f} % {'better' if percent > 0 else '**worse**'}"


def number(value: Any) -> str:
    """At most four significant digits; text as it is."""
    if isinstance(value, bool | str) or value is None:
        return "–" if value is None else str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def share(value: float | None) -> str:
    """Share as a percentage; a dash where no range is promised."""
    return "–" if value is None else f"{100 * value:.1f} %"


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Table in markdown; pipes in cells are escaped."""
    if not lines:
        return "Nothing measured yet."
    cells = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in cells)


def write(page: Path, name: str, table: str) -> None:
    """Put a table between the markers of its page; the rest stays byte for byte."""
    begin, end = f"<!-- bench:{name} begin -->", f"<!-- bench:{name} end -->"
    text = page.read_text("utf-8")
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise SystemExit(f"{page.name}: expected {begin} … {end} once, in this order; put the markers back")
    before, after = text.split(begin)[0], text.split(end)[1]
    page.write_text(f"{before}{begin}\n{table}\n{end}{after}", "utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
