"""How a line of a log is shown: its values scrubbed, an error told in words and scrubbed too."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from functools import cache
from typing import Any

import structlog
from structlog.typing import Processor

from urbancast.lake import scrub


def scrubbed(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The line without secrets and locations."""
    return scrub.fields(event)


def render(logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
    """Text of a line."""
    line: Any = event
    for process in _processors():
        line = process(logger, method, line)
    return line


@cache
def _processors() -> tuple[Processor, ...]:
    return (
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.StackInfoRenderer(),
        structlog.dev.set_exc_info,
        structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
        structlog.processors.format_exc_info,
        scrubbed,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback),
    )
