"""The model card of a release: what it forecasts and how well, where it fails, whose data, what it is not for."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from urbancast.registry.record import Decision

SIMULATED = "**Simulated.** The data come from a simulation: what is shown here proves the machinery, not the forecast."
SCORES = {
    "absolute_error": "absolute error (of the median)",
    "deviance": "Poisson deviance (of the mean)",
    "pinball": "pinball loss (of the quantiles)",
    "crps": "CRPS (of the whole)",
}
VERDICTS = {"promoted": "It was promoted", "refused": "It was refused", "rolled_back": "It serves again by a rollback"}
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1c2430}"
    "table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}"
    "th,td{border-bottom:1px solid #d5dbe3;padding:.25rem .75rem;text-align:left}"
    "td:not(:first-child){font-variant-numeric:tabular-nums}img{max-width:100%}"
    "code{background:#eef1f5;padding:.1rem .3rem}pre code{display:block;padding:.75rem;overflow-x:auto}"
)


@dataclass(frozen=True, kw_only=True)
class Card:
    """Facts of a card. ``metrics``: those that are logged, by name; every score that is printed is one of them.

    ``product``, ``release``, ``windows``, ``code``: words and hashes by name; ``texts``: parts of the product's own
    card by heading; ``slices``: heading → rows with key, n, observed, loss, baseline_loss, skill, coverage_80.
    """

    product: Mapping[str, Any]
    release: Mapping[str, Any]
    windows: Mapping[str, Any]
    licences: Sequence[Mapping[str, str]]
    texts: Mapping[str, str]
    folds: Sequence[Mapping[str, Any]]
    slices: Mapping[str, Sequence[Mapping[str, Any]]]
    importance: Sequence[Mapping[str, Any]]
    code: Mapping[str, Any]
    metrics: Mapping[str, float]


def markdown(card: Card, decision: Decision | None) -> str:
    """The card as Markdown; ``decision``: the newest verdict about the release, if there is one."""
    its = card.release
    parts = [
        f"# {its['name']}",
        *([SIMULATED] if its["provenance"] == "sample" else []),
        _promise(card.product),
        _table(("fact", "value"), _facts(card)),
        f"## Verdict\n{_verdict(decision)}",
        f"## How well\n{_scores(card)}",
        "## Where it is good and where not\n" + "\n\n".join(_slice(name, rows) for name, rows in card.slices.items()),
        "## What it was judged on\n"
        + _table(
            ("fold trained until", "origins", "first origin", "last origin", "rows"),
            ((f["cut"], f["origins"], f["first_origin"], f["last_origin"], f["rows"]) for f in card.folds),
        ),
    ]
    if card.importance:
        rows = ((row["part"], f"`{row['feature']}`", _share(row["share"])) for row in card.importance)
        parts.append("## What it goes by\n" + _table(("part", "input", "share"), rows))
    parts += [f"## {heading}\n{text}" for heading, text in card.texts.items()]
    parts += [f"## Data and licences\n{_licences(card)}", f"## How to make it again\n{_reproduce(card)}"]
    return "\n\n".join(parts) + "\n"


def html(text: str, pictures: Mapping[str, bytes]) -> str:
    """The card as one HTML page that needs nothing else; raw HTML in its text is shown as text."""
    from markdown_it import MarkdownIt  # only who writes cards needs it

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    shown = "".join(_figure(name, payload) for name, payload in pictures.items())
    title = escape(text.partition("\n")[0].removeprefix("# "))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"</head><body>{body}{shown}</body></html>"
    )


def number(value: float) -> str:
    """A score as it is printed everywhere in the card: four significant digits."""
    return f"{value:.4g}"


def _promise(of: Mapping[str, Any]) -> str:
    what = f"{of['label'].capitalize()} ({of['unit']}) by {of['place_word']} in {of['city']}"
    how = f"a forecast every {of['grain']}, up to {of['horizon_h']:g} h ahead, each with a mean and seven quantiles"
    return f"{of['question']} {what}: {how}."


def _facts(card: Card) -> Iterable[tuple[str, Any]]:
    its, windows = card.release, card.windows
    yield "product, measure", f"{card.product['id']}, {card.product['measure']}"
    yield "release", f"number {its['number']}, candidate `{its['candidate']}` (model `{its['model']}`)"
    yield "data", {"sample": "simulated", "extract": "files", "live": "live portals"}[its["provenance"]]
    yield "trained until", its["trained_until"]
    yield "observations known", f"{windows['start']} to {windows['end']}"
    yield (
        "training window",
        f"{windows['train_days']:g} days, of which the last {windows['calibration_days']:g} set the intervals",
    )
    yield "baseline", f"`{its['baseline']}`"


def _verdict(decision: Decision | None) -> str:
    if decision is None:
        return "Not decided yet."
    said = f"{VERDICTS[decision.action]}: {decision.reason}."
    if decision.skill is not None and decision.low is not None and decision.high is not None:
        rival = decision.numbers.get("rival", decision.champion)
        said += f" Against `{rival}` its skill was {_signed(decision.skill)}; the difference of losses lies between "
        said += f"{number(decision.low)} and {number(decision.high)} (95 %, by days)."
    return said


def _scores(card: Card) -> str:
    given = card.metrics
    rows = []
    for name, words in SCORES.items():
        if f"score.{name}" not in given:
            continue
        low, high = given.get(f"skill.{name}.low"), given.get(f"skill.{name}.high")
        interval = f"{_signed(low)} to {_signed(high)}" if low is not None and high is not None else "–"
        skill = _signed(given[f"skill.{name}"]) if f"skill.{name}" in given else "–"
        own, beside = number(given[f"score.{name}"]), number(given[f"baseline.{name}"])
        error = f"± {number(1.96 * given[f'score.{name}.se'])}"
        rows.append((words, f"{own} {error}", beside, skill, interval))
    table = _table(("score", "this release's candidate", "baseline", "skill", "skill, 95 %"), rows)
    held = f"{_share(given['coverage_80'])} ± {_share(1.96 * given['coverage_80.se'])}"
    return (
        f"{given['rows']:.0f} forecasts of {given['days']:.0f} days that it had not seen, beside the baseline on the "
        f"same rows; intervals by whole days.\n\n{table}\n\n"
        f"Its 80 % range held {held} of the time and was {number(given['width_80'])} wide; "
        f"forecast over observed was {number(given['forecast_over_observed'])}."
    )


def _slice(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    columns = (name, "forecasts", "observed", "error", "baseline's", "skill", "80 % range held")
    told = (
        (
            row["key"],
            row["n"],
            number(row["observed"]),
            number(row["loss"]),
            number(row["baseline_loss"]),
            "–" if row["skill"] is None else _signed(row["skill"]),
            _share(row["coverage_80"]),
        )
        for row in rows
    )
    return _table(columns, told)


def _licences(card: Card) -> str:
    rows = ((f"`{t['source']}`", f"[{t['name']}]({t['url']})", t["attribution"]) for t in card.licences)
    return _table(("source", "licence", "attribution"), rows)


def _reproduce(card: Card) -> str:
    code = card.code
    rows = [
        ("urbancast", f"{code['version']}, sources `{code['source']}`, product's folder `{code['product']}`"),
        ("recipe", f"`{code['recipe']}`, seed {code['seed']}"),
        *((f"input {name}", f"`{text}`") for name, text in code["inputs"].items()),
        ("libraries", ", ".join(f"{name} {text}" for name, text in code["libraries"].items())),
    ]
    return (
        f"```\n{code['command']}\n```\n"
        "The same inputs, code and number of threads give the same files, and so the same name.\n\n"
        + _table(("what", "hash or version"), rows)
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: Any) -> str:
    return " ".join(str(value).replace("|", "\\|").split())


def _signed(value: float) -> str:
    return f"{value:+.1%}"


def _share(value: float) -> str:
    return f"{value:.1%}"


def _figure(name: str, payload: bytes) -> str:
    words = escape(name.rpartition("/")[2].removesuffix(".png"))
    source = f"data:image/png;base64,{base64.b64encode(payload).decode()}"
    return f'<figure><figcaption>{words.capitalize()}</figcaption><img alt="{words}" src="{source}"></figure>'
