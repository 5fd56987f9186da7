"""Challenge the champion: backtest the candidates, train the best, promote it where it wins."""

from __future__ import annotations

from urbancast.flows import backtest, promote, train
from urbancast.flows.job import Job
from urbancast.registry.record import Decision


def run(job: Job) -> dict[str, Decision]:
    """Decision on the best candidate of each measure, by backtests as known now."""
    evidence = backtest.run(job)
    challengers = train.run(job, evidence)
    return promote.run(job, challengers, evidence)
