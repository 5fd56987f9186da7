"""Tables of the loop's upkeep: who may write, what was asked, what drifted, what was told, who looks in."""

from __future__ import annotations

import dataframely as dy

from urbancast.core.columns import instant


class Alerts(dy.Schema):
    """What a person should act on: a row when it is opened, one when it is resolved."""

    product = dy.String(primary_key=True)
    alert = dy.String(primary_key=True)
    severity = dy.Enum(["info", "warning", "critical"])
    state = dy.Enum(["open", "resolved"], primary_key=True)
    since = instant(primary_key=True)
    message = dy.String()
    action = dy.String()
    run = dy.String()


class Requests(dy.Schema):
    """What an operator asked for, and what became of it: a row a state."""

    product = dy.String(primary_key=True)
    request = dy.String(primary_key=True)
    verb = dy.String()
    arguments = dy.String()
    by = dy.String()  # name of the key that asked
    state = dy.Enum(["asked", "taken", "done", "refused"], primary_key=True)
    message = dy.String()  # why refused, what came of it
    at = instant(primary_key=True)


class Leases(dy.Schema):
    """Who may write a product's rows: the greatest token, while it is held and not past `until`."""

    product = dy.String(primary_key=True)
    token = dy.Int64(primary_key=True)
    holder = dy.String()  # JSON: host, pid, started
    state = dy.Enum(["held", "released"], primary_key=True)
    at = instant(primary_key=True)
    until = instant()


class Drift(dy.Schema):
    """One signal of one day against its seasonal reference; `is_drifted` where score > threshold."""

    product = dy.String(primary_key=True)
    measure = dy.String(primary_key=True)
    kind = dy.Enum(["input", "target", "forecast", "residual", "missing"], primary_key=True)
    signal = dy.String(primary_key=True)
    place = dy.String(primary_key=True)  # "" = all places together
    day = dy.Date(primary_key=True)
    score = dy.Float64()
    threshold = dy.Float64()
    is_drifted = dy.Bool()
    n = dy.Int64()
    facts = dy.String()  # JSON: windows compared, what moved
    run = dy.String()


class Deliveries(dy.Schema):
    """What was told to whom: one row for each try to deliver an opened or resolved alert."""

    product = dy.String(primary_key=True)
    alert = dy.String(primary_key=True)
    state = dy.Enum(["open", "resolved"], primary_key=True)
    since = instant(primary_key=True)
    channel = dy.Enum(["log", "webhook", "email"], primary_key=True)
    outcome = dy.Enum(["sent", "failed"])
    message = dy.String()
    at = instant(primary_key=True)


class Keys(dy.Schema):
    """API keys; `product` is "all". The secret itself is nowhere: `hash` is argon2's."""

    product = dy.String(primary_key=True)
    key = dy.String(primary_key=True)  # the public part
    name = dy.String()
    role = dy.Enum(["reader", "operator"])
    hash = dy.String()
    state = dy.Enum(["active", "revoked"], primary_key=True)
    at = instant(primary_key=True)


class Audit(dy.Schema):
    """Who did what behind the login; `product` is "all" where none is meant."""

    product = dy.String(primary_key=True)
    at = instant(primary_key=True)
    actor = dy.String(primary_key=True)
    action = dy.String(primary_key=True)
    subject = dy.String(primary_key=True)
    outcome = dy.Enum(["allowed", "refused"])
    facts = dy.String()
