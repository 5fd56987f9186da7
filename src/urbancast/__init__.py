"""Open forecasts of how a city moves. Names load on first use: `import urbancast` is instant."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "backtest": ("urbancast.evaluation.own", "backtest"),
    "products": ("urbancast.products", "discover"),
    "compare": ("urbancast.evaluation.compare", "compare"),
    "Backtest": ("urbancast.evaluation.backtest", "Backtest"),
    "Panel": ("urbancast.features.panel", "Panel"),
    "Plan": ("urbancast.features.plan", "Plan"),
    "Candidate": ("urbancast.core.product", "Candidate"),
    "Feature": ("urbancast.core.product", "Feature"),
}
__all__ = [
    "Backtest",
    "Candidate",
    "Feature",
    "Panel",
    "Plan",
    "backtest",
    "compare",
    "get",
    "products",
]


def __getattr__(name: str) -> Any:
    """Load a public name where it lives (PEP 562)."""
    if name == "get":
        return _get
    if name not in _HOMES:
        raise AttributeError(f"module 'urbancast' has no attribute {name!r}; it has {', '.join(__all__)}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    """Public names."""
    return list(__all__)


def _get(product: str) -> Any:
    """Product of this id; ``QueryError`` naming the known ones when there is none."""
    from urbancast.core.errors import QueryError
    from urbancast.products import discover

    known = discover()
    if product not in known:
        raise QueryError(
            "unknown-product",
            expected=f"one of {', '.join(sorted(known)) or '(none)'}",
            found=repr(product),
            action="ask urbancast.products() for the list",
            status=404,
        )
    return known[product]
