"""Serve the app with uvicorn; the access log is ours, because uvicorn's would hold query strings."""

from __future__ import annotations

import logging

import structlog
import uvicorn

from urbancast.api.app import create_app
from urbancast.lake import quiet
from urbancast.process import end_with_parent
from urbancast.settings import settings


def serve(lake_url: str | None = None, *, host: str | None = None, port: int | None = None) -> None:
    """Serve until stopped, on 127.0.0.1:8000 unless told otherwise."""
    deployed = settings()
    bound = host or deployed.host
    if deployed.with_parent:
        end_with_parent()
    level = logging.getLevelNamesMapping().get(deployed.log_level.upper(), logging.INFO)
    structlog.configure(processors=[quiet.render], wrapper_class=structlog.make_filtering_bound_logger(level))
    logging.getLogger("uvicorn.error").addFilter(_says_no_address)
    uvicorn.run(
        create_app(lake_url, host=bound),
        host=bound,
        port=port or deployed.port,
        access_log=False,
        server_header=False,
        proxy_headers=bool(deployed.trusted_proxies),
        forwarded_allow_ips=deployed.trusted_proxies,
        log_level=level,
        timeout_graceful_shutdown=5,
    )


def _says_no_address(record: logging.LogRecord) -> bool:
    """Whether a line of the server may be shown: not those of sockets, nor of debugging, which show who asks what."""
    return record.levelno > logging.DEBUG and "WebSocket %s" not in str(record.msg)
