"""What a stock plan is asked for: service level or costs, turns, fleet, days, what stands where."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from urbancast.api.problems import shown
from urbancast.core.errors import QueryError
from urbancast.core.product import Product, Stock
from urbancast.core.tables import QUANTILES
from urbancast.core.time import DAY

LOWEST, HIGHEST = QUANTILES[0], QUANTILES[-1]
TURNS = (0.1, 100.0)
MOST = 1_000_000  # vehicles; beyond it is a slip of the keyboard


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Numbers as asked, unchecked; None: not said. ``standing``: place → vehicles there now."""

    service_level: float | None = None
    shortage_cost: float | None = None
    idle_cost: float | None = None
    turns: float | None = None
    fleet: float | None = None
    days: float | None = None
    standing: Mapping[str, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Checked terms. ``level``: the quantile of the need that is held, by service level or critical fractile."""

    stock: Stock
    level: float
    turns: float
    service_level: float | None
    shortage_cost: float | None = None
    idle_cost: float | None = None
    fleet: int | None = None
    standing: Mapping[str, int] | None = field(default=None)

    @property
    def unit_cost(self) -> float:
        """What shortage and idleness of one vehicle cost together; 1 where only a level was named."""
        if self.shortage_cost is None or self.idle_cost is None:
            return 1.0
        return self.shortage_cost + self.idle_cost


def check(product: Product, asking: Asking) -> Terms:
    """Terms of an asking; QueryError with a state of its own for each way to ask wrongly."""
    stock = product.stock
    if stock is None or "stock" not in product.lenses:
        raise QueryError("no-such-lens", expected="a product that plans stock", found=repr(product.id),
                         action="ask one whose `lenses` name `stock`; GET /v1/products lists them",
                         status=404)  # fmt: skip
    _check_days(product, stock, asking.days)
    level = _level(stock, asking)
    has_costs = asking.shortage_cost is not None
    return Terms(
        stock=stock,
        level=level,
        turns=_turns(stock, asking.turns),
        service_level=None if has_costs else level,
        shortage_cost=asking.shortage_cost,
        idle_cost=asking.idle_cost,
        fleet=_fleet(asking.fleet),
        standing=asking.standing,
    )


def _level(stock: Stock, asking: Asking) -> float:
    costs = (asking.shortage_cost, asking.idle_cost)
    if asking.service_level is not None and costs != (None, None):
        raise QueryError("level-and-costs", expected="a service level, or a shortage and an idle cost", found="both",
                         action="drop one: costs decide the level by themselves")  # fmt: skip
    short, idle = costs
    if short is None and idle is None:
        return _forecast(stock.service_level if asking.service_level is None else asking.service_level, "service level")
    if short is None or idle is None:
        raise QueryError("level-and-costs", expected="both `shortage_cost` and `idle_cost`", found="one of them",
                         action="name both, or a service level")  # fmt: skip
    if not (math.isfinite(short) and math.isfinite(idle)) or short < 0 or idle < 0 or short + idle == 0:
        raise QueryError("negative-cost", expected="costs of zero or more, not both zero",
                         found=f"{short:g} and {idle:g}", action="name what one short and one idle cost")  # fmt: skip
    return _forecast(short / (short + idle), "critical fractile shortage / (shortage + idle)")


def _forecast(level: float, what: str) -> float:
    if not LOWEST <= level <= HIGHEST:  # NaN too
        raise QueryError(
            "service-level-not-forecast",
            expected=f"a {what} from {LOWEST} to {HIGHEST}, what was forecast",
            found=f"{level:g}",
            action=f"choose one from {LOWEST} to {HIGHEST}",
        )
    return level


def _turns(stock: Stock, turns: float | None) -> float:
    if turns is None:
        return stock.turns
    low, high = TURNS
    if not low <= turns <= high:
        raise QueryError("malformed-turns", expected=f"trips a vehicle and day from {low:g} to {high:g}",
                         found=f"{turns:g}", action=f"leave it out for {stock.turns:g}, or measure it")  # fmt: skip
    return turns


def _fleet(fleet: float | None) -> int | None:
    if fleet is None:
        return None
    if not 0 <= fleet <= MOST or fleet != math.floor(fleet):
        raise QueryError("malformed-fleet", expected=f"a whole number of vehicles from 0 to {MOST:,}",
                         found=f"{fleet:g}", action="correct `fleet`, or leave it out")  # fmt: skip
    return int(fleet)


def _check_days(product: Product, stock: Stock, days: float | None) -> None:
    if days is None or days == stock.days:
        return
    horizon = product.horizon / DAY
    is_beyond = days > horizon
    raise QueryError(
        "beyond-horizon" if is_beyond else "malformed-query",
        expected=f"{stock.days} days, the span that was forecast as one",
        found=f"{days:g} days",
        action=f"ask for days={stock.days}" + ("" if is_beyond else "; single days are in the zone lens"),
    )


def number_of(name: str, text: str | None) -> float | None:
    """Number of a query parameter; ``malformed-query`` where it is none."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise QueryError("malformed-query", expected=f"query.{name}: a number", found=shown(text),
                         action="correct it; /docs shows every route with an example") from None  # fmt: skip
