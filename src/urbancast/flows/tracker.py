"""Tracker: MLflow's own pages beside `up`, over what the mirror wrote; on loopback, behind the operators' login."""

from __future__ import annotations

import sys
from pathlib import Path

from urbancast.core.errors import ContractError
from urbancast.flows.companions import HOST, Companion, free_port
from urbancast.lake.store import Lake
from urbancast.registry import tracking

NAME = "mlflow"
PREFIX = f"/ops/{NAME}"


def companion(lake: Lake, *, port: int | None = None) -> Companion:
    """MLflow's server over the lake's tracking database, two processes; its database stands in no list of processes."""
    address = tracking.uri(lake)
    if address.startswith(("http://", "https://")):
        raise ContractError(
            "MLFLOW_TRACKING_URI: expected a database to show with --mlflow, found a server, which has pages of its "
            "own; open those, or leave --mlflow out"
        )
    listening = port or free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(listening)]
    command += ["--static-prefix", PREFIX, "--workers", "1", "--no-serve-artifacts"]
    return Companion(
        name=NAME,
        command=command,
        env={
            "MLFLOW_BACKEND_STORE_URI": address,
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": tracking.artifacts(lake) or "",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_LOGGING_LEVEL": "WARNING",
            "GIT_PYTHON_REFRESH": "quiet",
        },
        port=listening,
        path_prefix=PREFIX,
        log=_log(lake),
    )


def _log(lake: Lake) -> Path | None:
    """Where it prints to: beside a local lake, nowhere for a remote one."""
    return None if "://" in lake.url else Path(lake.url) / "logs" / f"{NAME}.log"
