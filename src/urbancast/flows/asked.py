"""Asked: what an operator asked for is carried out in order, under the product's lease; one that fails is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from urbancast.core.errors import FencedError, QueryError
from urbancast.core.time import iso
from urbancast.evaluation.compare import COLUMN
from urbancast.flows import cycle, evidence, forecast, mirror, retraining, rollback, train
from urbancast.flows.job import Job, step
from urbancast.lake import requests
from urbancast.registry import record, release as registry
from urbancast.registry.release import Release

FLOW = "asked"
Arguments = dict[str, Any]


def run(job: Job) -> list[dict[str, Any]]:
    """Carry out what is pending, the oldest first; each request with its outcome and message.

    One taken before by a run that was stopped is taken again, understood as it was then.
    """
    return [_carry_out(job, each) for each in requests.pending(job.lake, job.product.id)]


def _carry_out(job: Job, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Whatever goes wrong refuses this request alone: the outermost line of what a person asked for."""
    with step(job, job.run_id(FLOW, asked["request"]), FLOW, str(asked["verb"])) as facts:
        facts.update(by=asked["by"], request=asked["request"])
        try:
            arguments, taken_at = _taken(job, asked)
            # A person decides by the clock on the wall: two decisions of one hour are two.
            then = job.at(taken_at) if asked["verb"] in ("promote", "rollback") else job
            outcome: requests.Outcome = "done"
            message = _do(then, str(asked["verb"]), arguments, str(asked["by"]))
        except FencedError:
            raise  # another run has the product, and with it this request
        except Exception as error:  # noqa: BLE001
            outcome, message = "refused", f"{type(error).__name__}: {error}"
        facts.update(outcome=outcome, reason=message)
        _mark(job, asked, outcome, datetime.now(UTC), message=message)
    return {"request": asked["request"], "verb": asked["verb"], "state": outcome, "message": message}


def _taken(job: Job, asked: Mapping[str, Any]) -> tuple[Arguments, datetime]:
    """The request's arguments as understood now, with what served, and when; as the first time where it was taken."""
    if asked["state"] == "taken":
        return dict(asked["arguments"]), asked["at"]
    arguments: Arguments = dict(asked["arguments"])
    if asked["verb"] in ("promote", "rollback"):
        arguments = _understood(job, str(asked["verb"]), arguments)
    now = datetime.now(UTC)
    _mark(job, asked, "taken", now, arguments=arguments)
    return arguments, now


def _understood(job: Job, verb: str, arguments: Arguments) -> Arguments:
    name = arguments.get("release" if verb == "promote" else "to")
    named = registry.get(job.lake, job.product.id, name).measure if name else job.product.measure.id
    measure = arguments.get("measure", named)
    served = forecast.serving_releases(job)
    if measure not in served:
        raise QueryError("unknown-measure", expected=f"one of {', '.join(served)}", found=repr(measure),
                         action="name one of them")  # fmt: skip
    if verb == "promote" and name is None:
        arguments = {**arguments, "release": _last_challenger(job, measure, served[measure]).name}
    return {**arguments, "measure": measure, "was": served[measure].name}


def _last_challenger(job: Job, measure: str, champion: Release) -> Release:
    trained = [r for r in registry.every(job.lake, job.product.id) if r.measure == measure and r.number > 0]
    if not trained or trained[-1].name == champion.name:
        raise QueryError("no-challenger", expected=f"a release of {measure} newer than what serves",
                         found=champion.name, action="retrain first, or name a release")  # fmt: skip
    return trained[-1]


def _do(job: Job, verb: str, arguments: Arguments, by: str) -> str:
    known: Mapping[str, Callable[[Job, Arguments, str], str]] = {
        "retrain": _retrain, "promote": _promote, "rollback": _roll_back, "pause": _pause, "resume": _resume,
    }  # fmt: skip
    if verb not in known:
        expected = f"one of {', '.join(requests.VERBS)}"
        raise QueryError("unknown-verb", expected=expected, found=repr(verb), action="ask for one of them")
    return known[verb](job, arguments, by)


def _retrain(job: Job, arguments: Arguments, by: str) -> str:
    with step(job, job.run_id(retraining.FLOW), retraining.FLOW, "decide") as facts:
        need = retraining.decide(job)
        reason = f"asked by {by}; by itself: {need.reason}"
        facts.update({**need.facts, "is_due": True, "reason": reason, "message": reason})
    train.baselines(job)
    decisions = cycle.improve(job)
    told = "; ".join(f"{measure}: {made.action}, {made.reason}" for measure, made in decisions.items())
    return f"asked by {by}; {told}"


def _promote(job: Job, arguments: Arguments, by: str) -> str:
    """Serve a release by a person's word; its backtest's numbers stand in the verdict."""
    target = registry.get(job.lake, job.product.id, arguments["release"])
    measure = arguments["measure"]
    if target.measure != measure:
        raise QueryError("unknown-release", expected=f"a release of {measure}", found=target.name,
                         action=f"name one of {measure}, or the measure {target.measure}")  # fmt: skip
    served = forecast.serving_releases(job)
    if served[measure].name == target.name:
        return f"{target.name} serves already"
    registry.load(job.lake, target)  # a damaged release is not put in force
    numbers = {**_backtest(job, target), "probation_until": iso(job.now + job.recipe.retraining.probation)}
    decision = record.Decision(
        product=job.product.id, measure=measure, challenger=target.name, champion=served[measure].name,
        action="promoted", reason=f"asked by {by}", skill=numbers.get("skill"), numbers=numbers,
    )  # fmt: skip
    run_id = job.run_id("promote", measure)
    with step(job, run_id, "promote", "by an operator's word") as facts:
        record.verdict(job.lake, decision, run=run_id, now=job.now)
        forecast.switch(job, {**served, measure: target}, run_id=run_id)
        facts.update(served=target.name, was=served[measure].name)
    evidence.judged(job, {measure: target}, {measure: decision})
    mirror.now(job)
    return f"{target.name} serves instead of {served[measure].name}"


def _backtest(job: Job, target: Release) -> dict[str, Any]:
    """Mean losses of a release's candidate in its backtest beside the baseline's; nothing where it had none."""
    column = COLUMN[job.recipe.primary]
    scores: Mapping[str, Mapping[str, float]] = target.facts.get("backtest", {})
    own, beside = scores.get(target.candidate), scores.get(job.recipe.baseline)
    if own is None:
        return {"primary": job.recipe.primary}
    numbers: dict[str, Any] = {"primary": job.recipe.primary, "rival": job.recipe.baseline, "backtest": dict(own)}
    if beside and beside.get(column):
        numbers["skill"] = 1 - own[column] / beside[column]
    return numbers


def _roll_back(job: Job, arguments: Arguments, by: str) -> str:
    measure = arguments["measure"]
    served = forecast.serving_releases(job)[measure]
    if served.name == arguments.get("to"):
        return f"{served.name} serves already"
    if served.name != arguments["was"]:  # a run that was stopped had come that far
        return f"{served.name} serves instead of {arguments['was']}"
    target = rollback.run(job, measure=measure, to=arguments.get("to"), reason=f"asked by {by}")
    return f"{target.name} serves instead of {served.name}"


def _pause(job: Job, arguments: Arguments, by: str) -> str:
    return f"paused by {by}: nothing of {job.product.id} is scheduled until it is resumed"


def _resume(job: Job, arguments: Arguments, by: str) -> str:
    return f"resumed by {by}"


def _mark(
    job: Job,
    asked: Mapping[str, Any],
    state: requests.Outcome,
    at: datetime,
    *,
    message: str = "",
    arguments: Arguments | None = None,
) -> None:
    requests.mark(job.lake, job.product.id, asked["request"], state=state, at=at, message=message, arguments=arguments)
