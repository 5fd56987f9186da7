"""A dossier: what a training shows for itself, kept beside its release; whatever mirrors it needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from urbancast.lake.store import Lake
from urbancast.registry import card
from urbancast.registry.record import Decision
from urbancast.registry.release import Release

FOLDER = "evidence"
FACTS = "facts.json"  # written last: where it is, all is


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """Flat parameters and metrics, curves of further metrics (step, value), what the card says, and files by name."""

    params: Mapping[str, str]
    metrics: Mapping[str, float]
    card: Mapping[str, Any]
    series: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


def keep(lake: Lake, release: Release, dossier: Dossier) -> None:
    """Write a dossier beside its release, and its card without a verdict."""
    folder = f"{release.path}/{FOLDER}"
    for name, payload in dossier.files.items():
        lake.files.put(f"{folder}/{name}", payload)
    facts: dict[str, Any] = {
        "params": dict(dossier.params),
        "metrics": dict(dossier.metrics),
        "card": dict(dossier.card),
    }
    facts |= {"series": dict(dossier.series), "files": sorted(dossier.files)}
    _write_card(lake, release, facts, None)
    lake.files.put(f"{folder}/{FACTS}", json.dumps(facts, indent=1, default=str).encode())


def read(lake: Lake, release: Release) -> dict[str, Any] | None:
    """``params``, ``metrics``, ``card`` and names of ``files`` of a release's dossier; None where it has none."""
    path = f"{release.path}/{FOLDER}/{FACTS}"
    if not lake.files.exists(path):
        return None
    facts: dict[str, Any] = json.loads(lake.files.get(path))
    return facts


def judge(lake: Lake, release: Release, decision: Decision) -> bool:
    """Write the verdict into a release's card; whether there was a card to write it into."""
    facts = read(lake, release)
    if facts is None:
        return False
    _write_card(lake, release, facts, decision)
    return True


def _write_card(lake: Lake, release: Release, facts: Mapping[str, Any], decision: Decision | None) -> None:
    told = card.markdown(card.Card(metrics=facts["metrics"], **facts["card"]), decision)
    folder = f"{release.path}/{FOLDER}"
    shown = [name for name in facts["files"] if name.endswith(".png")]
    pictures = {name: lake.files.get(f"{folder}/{name}") for name in shown}
    lake.files.put(f"{release.path}/card.md", told.encode())
    lake.files.put(f"{release.path}/card.html", card.html(told, pictures).encode())
