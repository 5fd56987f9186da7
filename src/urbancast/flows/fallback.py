"""What serves when a release cannot be read: the champion before it, at last the baseline, made anew if it must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from urbancast.core.errors import ContractError, NotReadyError
from urbancast.flows import train
from urbancast.flows.job import Job
from urbancast.models import Fitted
from urbancast.registry import record, release as registry
from urbancast.registry.record import Decision
from urbancast.registry.release import Release


@dataclass(kw_only=True)
class Sound:
    """Releases that can be read: ``served`` by measure, and ``ready`` with their forecasters by name.

    ``damaged``: those that cannot, by name, with the reason.
    """

    served: dict[str, Release] = field(default_factory=dict)
    ready: dict[str, tuple[Release, Fitted]] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)


def sound(job: Job, served: Mapping[str, Release], *, run_id: str) -> Sound:
    """Served releases that can be read, or who stands in for them: each change is a recorded rollback.

    ContractError where not even a baseline trained again can be read.
    """
    found = Sound()
    for measure, release in served.items():
        if not add(job, release, found):
            stand_in = _stand_in(job, release, found)
            if stand_in.name != release.name:
                decided = rolled_back(stand_in, release, reason=_reason(release, stand_in, found))
                record.verdict(job.lake, decided, run=run_id, now=job.now)
            found.served[measure] = stand_in
        else:
            found.served[measure] = release
    return found


def add(job: Job, release: Release, found: Sound) -> bool:
    """Put a release among those ready; False, and its damage noted, where it cannot be read."""
    if release.name in found.ready:
        return True
    try:
        found.ready[release.name] = (release, registry.load(job.lake, release))
    except (ContractError, NotReadyError) as error:
        found.damaged[release.name] = str(error)
        return False
    return True


def before(job: Job, served: Release, known: Sequence[Decision]) -> list[Release]:
    """Releases that could serve instead of one, the best claim first: the champions before it, then the baseline."""
    found: list[Release] = []
    name: str | None = served.name
    while name is not None:
        won = next((d for d in reversed(known) if d.action == "promoted" and d.challenger == name), None)
        name = won.champion if won else None
        earlier = registry.find(job.lake, job.product.id, name) if name else None
        if earlier is None or earlier.number <= 0 or earlier.name in {one.name for one in (served, *found)}:
            break
        found.append(earlier)
    baseline = registry.baseline(job.lake, job.product.id, served.measure, until=job.now)
    return [*found, baseline] if baseline is not None and baseline.name != served.name else found


def rolled_back(target: Release, was: Release, *, reason: str) -> Decision:
    """Decision to serve ``target`` instead of what ``was`` served."""
    return Decision(
        product=was.product,
        measure=was.measure,
        challenger=target.name,
        champion=was.name,
        action="rolled_back",
        reason=reason,
    )


def _stand_in(job: Job, release: Release, found: Sound) -> Release:
    for earlier in before(job, release, record.decisions(job.lake, job.product.id, until=job.now)):
        if add(job, earlier, found):
            return earlier
    baseline = train.baselines(job, only=release.measure)[release.measure]
    if not add(job, baseline, found):
        raise ContractError(found.damaged[baseline.name])
    return baseline


def _reason(release: Release, stand_in: Release, found: Sound) -> str:
    what = "the baseline" if stand_in.number == 0 else "the champion before it"
    return f"its files cannot be read ({found.damaged[release.name]}); {what} serves instead"
