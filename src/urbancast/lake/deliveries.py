"""Deliveries: what was told to whom, try by try; and what is still to be told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import polars as pl

from urbancast.lake import alerts
from urbancast.lake.once import add_once
from urbancast.lake.store import Lake

Channel = Literal["log", "webhook", "email"]
_WORD = ["product", "alert", "state", "since"]  # one row of the table `alerts`


def record(lake: Lake, word: Mapping[str, Any], channel: Channel, *, is_sent: bool, message: str, at: datetime) -> int:
    """Write down one try to deliver a row of ``alerts``; 0 where this very try is known."""
    row = {name: word[name] for name in _WORD}
    outcome = "sent" if is_sent else "failed"
    return add_once(
        lake,
        "deliveries",
        pl.DataFrame([{**row, "channel": channel, "outcome": outcome, "message": message, "at": at}]),
    )


def owed(lake: Lake, product: str, channel: Channel) -> list[dict[str, Any]]:
    """Rows of ``alerts`` that a channel has still to tell, the oldest first.

    Only the newest word on an alert is news; an end is told only to who was told, or missed, the beginning.
    """
    words = alerts.read(lake, product).with_columns(pl.col("state", "severity").cast(pl.String))
    tried = read(lake, product).filter(pl.col("channel").cast(pl.String) == channel)
    sent = tried.filter(pl.col("outcome").cast(pl.String) == "sent").with_columns(pl.col("state").cast(pl.String))
    newest = words.unique(["product", "alert"], keep="last", maintain_order=True)
    news = newest.join(sent, on=_WORD, how="anti", maintain_order="left")
    begun = tried.select("product", "alert").unique()
    ends = news.filter(pl.col("state") == "resolved").join(begun, on=["product", "alert"], how="semi")
    told = pl.concat([news.filter(pl.col("state") == "open"), ends]).sort("since", "alert")
    return told.to_dicts()


def read(lake: Lake, product: str | None = None) -> pl.DataFrame:
    """All tries, the oldest first."""
    return lake.scan("deliveries", product=product).sort("at", "product", "alert", "channel").collect()
