"""Run a product's own command on real files and make rows of what it printed."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parents[1] / "out"
WORDS = {"absolute_error": "MAE", "deviance": "mean Poisson deviance", "crps": "CRPS", "pinball": "mean pinball"}
DAY_1, ALL = "day 1", "all"
Row = dict[str, Any]
Told = Mapping[str, Any]


def run(words: Sequence[str], folder: Path) -> Told:
    """What `urbancast run WORDS --json` printed, its lake and its tracking under ``folder``."""
    command = [sys.executable, "-m", "urbancast", "run", *words, "--lake", str(folder / "lake"), "--json"]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"`urbancast run {' '.join(words)}` ended with {done.returncode}; see above")
    told: Told = json.loads(done.stdout)
    return told


def served(told: Told, measure: str) -> str:
    """Candidate that serves a measure after the run's verdict, such as ``gbm``."""
    verdict = told["verdicts"][measure]
    release = verdict["challenger" if verdict["action"] == "promoted" else "champion"]
    return str(release).removeprefix(f"{measure}-").rpartition("-")[0]


def score(told: Told, measure: str, lead: str) -> Mapping[str, Any]:
    """Summary of what is served, beside the strongest simple rule on the same rows."""
    wanted = (measure, lead, served(told, measure))
    for found in told["scores"]:
        if (found["measure"], found["lead"], found["forecaster"]) == wanted:
            return dict(found)
    sys.exit(f"scores: expected one of measure, lead and forecaster {wanted}, found none; did the run live any day?")


def row(found: Mapping[str, Any], *, question: str, measured_on: str, unit: str, rules: Mapping[str, str]) -> Row:
    """Benchmark row of one summary; ``rules`` has a reader's words for the names of simple rules."""
    is_rule = found["forecaster"] == found["rule"]
    ours = "the rule itself is served, no training beat it" if is_rule else f"{found['forecaster']}: {gain(found)}"
    return {
        "question": question,
        "measured_on": f"{measured_on}; {found['n']:,} rows; {ours}; {spread(found)}",
        "score": WORDS[found["score"]],
        "unit": unit,
        "rule": rules.get(found["rule"], found["rule"]),
        "rule_score": found["baseline"],
        "ours": found["value"],
        "held": found["held_80"],
    }


def gain(found: Mapping[str, Any]) -> str:
    """Gain over the rule with its 95 % interval, in percent of the rule's score; says so where it is noise."""
    low, high = (100 * found[end] / found["baseline"] for end in ("low", "high"))
    digits = 1 if max(abs(low), abs(high)) >= 1 else 2
    noise = ", within noise" if low <= 0 <= high else ""
    return f"gain {100 * found['skill']:.{digits}f} % (95 %, by days: {low:.{digits}f} to {high:.{digits}f} %{noise})"


def spread(found: Mapping[str, Any]) -> str:
    """How far the share held may be off, as 95 % of day-block sampling."""
    error = found["held_80_error"]
    return "share held on too few days to say" if math.isnan(error) else f"share held ± {100 * error:.1f} points"


def keep(script: str, rows: Sequence[Row]) -> None:
    """Write the rows where the tables are made from, and print them."""
    OUT.mkdir(exist_ok=True)
    (OUT / f"{Path(script).stem}.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False), "utf-8")
    print(json.dumps(rows, indent=1, ensure_ascii=False), flush=True)


def show(told: Told) -> None:
    """Print verdicts, every score and reliability by tenth of the forecast."""
    for measure, verdict in told["verdicts"].items():
        print(f"{measure}: {verdict['challenger']} {verdict['action']}, {verdict['reason']}")
    for found in told["scores"]:
        who = f"{found['measure']} {found['lead']:>6} {found['forecaster']:<18} n {found['n']:>9,}"
        beside = f"{found['value']:.6g} beside {found['baseline']:.6g} ({found['rule']})"
        print(f"{who} {beside} {gain(found)} held {found['held_80']:.4f} {spread(found)}")
    for name, classes in told["reliability"].items():
        print(
            f"{name}: observed / forecast by tenth", [f"{c['ratio']:.3f} ± {1.96 * c['ratio_se']:.3f}" for c in classes]
        )
