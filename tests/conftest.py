"""What every test stands on: no network, no clock-dependent examples, no settings of the machine."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import postgres, postgres_server  # noqa: F401 - fixtures of every test
from tests.s3 import bucket, s3_server  # noqa: F401

if TYPE_CHECKING:
    from urbancast.lake.store import Lake

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
NO_SKIP = os.environ.get("URBANCAST_NO_SKIP") == "1"

settings.register_profile(
    "urbancast",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("urbancast")


class NetworkRefusedError(BaseException):
    """A test reached beyond this machine; not an `Exception`, so that no retry and no handler hides it."""


def pytest_configure() -> None:
    """Forget the machine's settings and close the network before any test module is imported.

    Products named from outside are set aside for the contract tests alone.
    """
    if "URBANCAST_PRODUCTS" in os.environ:
        os.environ["CONTRACT_PRODUCTS"] = os.environ["URBANCAST_PRODUCTS"]
    for name in [name for name in os.environ if name.startswith(("URBANCAST_", "MLFLOW_"))]:
        if name != "URBANCAST_NO_SKIP":
            del os.environ[name]
    os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", MPLBACKEND="Agg")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as many workers as cores run beside each other
    _close_network()


# Files that take longest, begun first: a worker that meets one of them last would be waited for.
LONG = (
    "flows/test_kill.py", "e2e/test_route.py", "flows/test_cycle.py", "test_try.py", "test_cli.py",
    "e2e/test_operations.py", "e2e/test_map.py", "contracts/test_sources.py", "flows/test_orchestrator.py",
    "test_remote_stores.py", "flows/test_up.py", "flows/test_probation.py", "contracts/test_answers.py",
    "flows/test_scaffold.py", "flows/test_kill_leases.py", "contracts/test_forecasts.py", "examples/test_contracts.py",
    "flows/test_network.py", "flows/test_replay.py", "e2e/test_stock.py", "flows/test_verify.py",
    "flows/test_faults.py", "flows/test_backup.py", "flows/test_vanished.py", "benchmarks/test_accuracy.py",
    "test_how_to.py", "flows/test_watch.py", "flows/test_as_known_then.py", "flows/test_prometheus.py",
    "real/test_route.py", "real/test_replay.py", "benchmarks/test_stages.py", "api/test_gate_real.py",
    "api/test_server.py", "test_serve_only.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; the order within a file stays."""
    place = {str(ROOT / "tests" / name): position for position, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(str(item.path), len(LONG)))


def _close_network() -> None:
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def local_connect(self: socket.socket, address: Any) -> None:
        _refuse_remote(self, address)
        return connect(self, address)

    def local_connect_ex(self: socket.socket, address: Any) -> int:
        _refuse_remote(self, address)
        return connect_ex(self, address)

    def local_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_loopback(host):
            raise NetworkRefusedError(f"expected loopback only, found a look-up of {host!r}")
        return look_up(host, *args, **kwargs)

    socket.socket.connect = local_connect  # type: ignore[method-assign]
    socket.socket.connect_ex = local_connect_ex  # type: ignore[method-assign]
    socket.getaddrinfo = local_look_up


def _refuse_remote(sock: socket.socket, address: Any) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
        raise NetworkRefusedError(f"expected loopback only, found a connection to {address!r}")


def _is_loopback(host: Any) -> bool:
    text = host.decode() if isinstance(host, bytes) else host
    if text in (None, "", "localhost", "0.0.0.0", "::"):
        return True
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Path of a real extract by its name under `../shared/data`; skips with that name where it is absent."""

    def locate(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.exists():
            pytest.skip(f"needs ../shared/data/{name}")
        return path

    return locate


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Debian's chromium (or a relative of it)."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        absent = pytest.fail if NO_SKIP else pytest.skip
        absent("needs chromium on PATH; apt-get install chromium")
    return found


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake in a folder of its own."""
    from urbancast.lake.store import Lake

    return Lake.open(str(tmp_path / "lake"))
