"""Backtests, scores and verdicts: the same functions that the flows use."""
