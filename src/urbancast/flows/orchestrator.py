"""The orchestrator: Dagster's code server, web server and daemon beside `up`, and replayed days as it shows them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from urbancast.core.errors import NotReadyError
from urbancast.flows.companions import HOST, Companion, free_port
from urbancast.settings import settings

if TYPE_CHECKING:
    import dagster as dg

    from urbancast.flows.job import Job

PATH_PREFIX = "/ops/dagster"
MODULE = "urbancast.flows.definitions"
CONFIG = "dagster.yaml"
URL = "URBANCAST_DAGSTER_URL"  # where the instance's own configuration finds the address of its database
OURS = "# Written by `urbancast up --orchestrator`; remove this line to keep changes of your own.\n"


def home(lake: str) -> Path:
    """Folder of Dagster's instance: `DAGSTER_HOME`, else beside the tables of a lake in a folder."""
    named = os.environ.get("DAGSTER_HOME")
    if named:
        return Path(named).expanduser().resolve()
    own = Path.home() / ".urbancast" if "://" in lake.removeprefix("file://") else Path(lake.removeprefix("file://"))
    return own.expanduser().resolve() / "dagster"


def companions(lake: str, *, only: Sequence[str] = ()) -> list[Companion]:
    """Processes of the orchestrator of a lake (of ``only`` these products), on loopback; ``dagster`` has the pages."""
    if not all(find_spec(name) for name in ("dagster", "dagster_webserver")):
        raise NotReadyError("dagster: expected it installed, found none; install urbancast[orchestrator]")
    where = prepare(home(lake))
    _make_tables(where)
    env = _environment(where) | {"URBANCAST_LAKE": lake, "URBANCAST_ORCHESTRATED": ",".join(only)}
    code, web = free_port(), free_port()
    python, asked = [sys.executable, "-m"], ["-w", str(_workspace(where, code))]
    served = [*python, "dagster", "api", "grpc", "-m", MODULE, "-h", HOST, "-p", str(code), "--lazy-load-user-code"]
    pages = [*python, "dagster_webserver", "-h", HOST, "-p", str(web), "-l", PATH_PREFIX, *asked]
    return [
        _companion("code", served, env, where),
        _companion("dagster", pages, env, where, port=web, path_prefix=PATH_PREFIX),
        _companion("daemon", [*python, "dagster._daemon", "run", *asked], env, where),
    ]


def prepare(where: Path) -> Path:
    """The folder with an instance's configuration: as it should be, or a person's own where our mark was removed."""
    where.mkdir(parents=True, exist_ok=True)
    file = where / CONFIG
    if not file.exists() or file.read_text().startswith(OURS):
        file.write_text(OURS + json.dumps(_config(where), indent=2) + "\n")  # JSON is YAML
    return where


def _workspace(where: Path, port: int) -> Path:
    """File that says where the code is served, by a name that stays while the port changes: states go by it."""
    file = where / "workspace.yaml"
    served = {"grpc_server": {"host": HOST, "port": port, "location_name": "urbancast"}}
    file.write_text(json.dumps({"load_from": [served]}, indent=2) + "\n")
    return file


def _make_tables(where: Path) -> None:
    """Make or bring up to date the tables of an instance, once: its processes would make them at the same time."""
    command = [sys.executable, "-m", "dagster", "instance", "migrate"]
    made = subprocess.run(  # noqa: S603 - our own command
        command, env={**os.environ, **_environment(where)}, capture_output=True, text=True, check=False
    )
    if made.returncode:
        told = made.stderr.strip().splitlines()[-1:] or ["nothing said"]
        raise NotReadyError(f"dagster: expected tables in its storage, found {told[0]}; look at {where / CONFIG}")


@contextmanager
def instance(lake: str) -> Iterator[dg.DagsterInstance | None]:
    """Dagster's instance of a lake; None where Dagster is not installed or the lake has none."""
    where = home(lake)
    if find_spec("dagster") is None or not (where / CONFIG).exists():
        yield None
        return
    import dagster as dg

    with _set(_environment(where)), dg.DagsterInstance.from_config(str(where)) as found:
        yield found


@contextmanager
def _set(environment: Mapping[str, str]) -> Iterator[None]:
    """The environment with these variables, as it was afterwards: an instance reads its secrets from there."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def show(job: Job, lived: Mapping[date, Mapping[str, Mapping[str, Any]]]) -> int:
    """Show days that were lived elsewhere as runs of their partitions; how many of them have one.

    ``lived``: by local day and asset, what was made. Nothing happens where Dagster has no instance.
    """
    with instance(job.lake.url) as found:
        if found is None:
            return 0
        from urbancast.flows import definitions

        return sum(definitions.tell(found, job, day, facts) for day, facts in sorted(lived.items()))


def _config(where: Path) -> dict[str, Any]:
    """Two runs at once, one of a product at a time; runs that died are noticed; nothing is told to anybody."""
    one_each = {"key": "urbancast/product", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    ticks = {"skipped": 2, "success": 30, "failure": 30, "started": 30}
    config: dict[str, Any] = {
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        "concurrency": {"runs": {"max_concurrent_runs": 2, "tag_concurrency_limits": [one_each]}},
        "run_monitoring": {"enabled": True, "start_timeout_seconds": 300, "max_resume_run_attempts": 0},
        "retention": {"schedule": {"purge_after_days": ticks}, "sensor": {"purge_after_days": ticks}},
        "freshness": {"enabled": True},
        "compute_logs": {
            "module": "dagster._core.storage.local_compute_log_manager",
            "class": "LocalComputeLogManager",
            "config": {"base_dir": str(where / "logs")},
        },
    }
    if settings().dagster_db.get_secret_value():
        config["storage"] = {"postgres": {"postgres_url": {"env": URL}}}
    return config


def _environment(where: Path) -> dict[str, str]:
    database = settings().dagster_db.get_secret_value()
    url = {URL: _driven(database)} if database else {}
    return {"DAGSTER_HOME": str(where), "DAGSTER_DISABLE_TELEMETRY": "1", **url}


def _driven(url: str) -> str:
    """The address with its driver named: the library's own default is another."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg2://{rest}" if scheme in ("postgres", "postgresql") else url


def _companion(
    name: str,
    command: list[str],
    env: Mapping[str, str],
    where: Path,
    *,
    port: int | None = None,
    path_prefix: str = "",
) -> Companion:
    log = where / "logs" / f"{name}.log"
    return Companion(name=name, command=command, env=env, port=port, path_prefix=path_prefix, log=log)
