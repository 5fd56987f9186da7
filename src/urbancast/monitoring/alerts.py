"""Alerts: which kinds there are, what each asks of a person, and what is to be opened and resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from urbancast.lake.alerts import Severity

# What to do, by kind; each has a page ``docs/runbooks/KIND.md``.
ACTIONS: Mapping[str, str] = {
    "stale-source": "See whether the portal answers and has new rows; forecasts go on from older data until it does.",
    "stale-forecast": "Find the run that failed or never began, and run it again.",
    "failed-run": "Read the step's message and log; mend the cause and run the flow again.",
    "drift": "Look at what moved and since when; train again where it lasts, mend the source where it is a fault.",
    "level-shift": "Ask what changed at the places named: a closure, a new lane, a sensor; train again where it lasts.",
    "dead-sensor": "Ask the owner of the sensor; its forecasts are not verified until it is heard again.",
    "missing-data": "Compare the portal's rows with the lake's; what is filled in later is scored later.",
    "coverage": "Look at the calibration by lead and hour; train again, so that the ranges are measured anew.",
    "skill": "Compare with the simple rules; train again, or roll back to what was better.",
    "rollback": "Read why, and what the release had seen; the release before it serves meanwhile.",
    "corrupt-release": "Roll back or train again; the forecasts already issued are served meanwhile.",
    "disk-full": "Free space or move the lake; nothing new can be written soon.",
    "lake-unreadable": "See that the lake's address answers; what was last read is served meanwhile.",
    "service-down": "Start the service again, and read its last lines.",
}
KINDS = tuple(ACTIONS)
GRAVITY: Mapping[str, int] = {"info": 0, "warning": 1, "critical": 2}


@dataclass(frozen=True, kw_only=True)
class Found:
    """Something a person should act on: ``alert`` is ``KIND`` or ``KIND:subject``, ``message`` says it in numbers.

    ``is_fading``: no longer so, but lately: it keeps an open alert open and opens none, so that none flickers.
    """

    alert: str
    severity: Severity
    message: str
    is_fading: bool = False

    @property
    def kind(self) -> str:
        """Kind of the alert, the name of its runbook page."""
        return kind_of(self.alert)

    @property
    def action(self) -> str:
        """What to do, and where more is written."""
        return f"{ACTIONS[self.kind]} See {runbook(self.kind)}."


def kind_of(alert: str) -> str:
    """Kind of an alert by its id."""
    return alert.partition(":")[0]


def runbook(kind: str) -> str:
    """Page that says what a kind means and what to do."""
    return f"docs/runbooks/{kind}.md"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What differs from what is open: to be opened, to be told again at another severity, to be resolved."""

    opened: Sequence[Found]
    raised: Sequence[Found]
    resolved: Sequence[str]


def changes(current: Mapping[str, str], found: Sequence[Found], *, judged: Sequence[str]) -> Change:
    """Compare open alerts (id → severity) with what was found now.

    Only kinds in ``judged`` are resolved: what could not be looked at is no better for it. A severity only rises.
    """
    worst: dict[str, Found] = {}
    for one in found:
        known = worst.get(one.alert)
        if known is None or GRAVITY[one.severity] > GRAVITY[known.severity]:
            worst[one.alert] = one
    return Change(
        opened=[one for name, one in worst.items() if name not in current and not one.is_fading],
        raised=[one for name, one in worst.items() if name in current and _is_graver(one, current[name])],
        resolved=[name for name in current if name not in worst and kind_of(name) in judged],
    )


def _is_graver(one: Found, severity: str) -> bool:
    return not one.is_fading and GRAVITY[one.severity] > GRAVITY[severity]
