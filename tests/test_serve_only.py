"""What answers needs nothing of what trains: the base of the package serves with every other library out of reach."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import time
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCKED = """
import sys
banned = set({names!r})
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in banned:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
from urbancast.cli import main
main()
"""


def forecasting() -> list[str]:
    """Modules of the libraries that only the extra `forecast` names."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    named = {re.split(r"[<>=\[]", one)[0].lower() for one in (*extras["forecast"], *extras["dask"])}
    found = packages_distributions()
    return sorted(module for module, names in found.items() if {name.lower() for name in names} & named)


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", BLOCKED.format(names=forecasting()), *words]


def test_the_libraries_of_forecasting_are_known_by_their_modules() -> None:
    assert {"lightgbm", "mlflow", "pandas", "httpx", "matplotlib", "distributed"} <= set(forecasting())


def test_the_base_of_the_package_serves_without_any_library_of_forecasting(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        command("serve", "--lake", str(tmp_path / "lake"), "--port", str(port)), stderr=subprocess.PIPE, text=True
    )
    try:
        answers = [asked(port, path, server) for path in ("/healthz", "/v1/products")]
    finally:
        server.terminate()
        server.communicate(timeout=20)
    assert answers[0]
    assert {row["id"] for row in json.loads(answers[1])} >= {"paris_bikes", "madrid_parking"}


def test_a_verb_that_needs_more_says_what_to_install() -> None:
    done = subprocess.run(command("run", "paris_bikes", "--sample"), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "urbancast[forecast]" in done.stderr
    assert "Traceback" not in done.stderr


def asked(port: int, path: str, server: subprocess.Popen[str]) -> bytes:
    """Body of a good answer; asks until the server is there."""
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            if answer.status == 200:
                return answer.read()
        except OSError:
            try:
                server.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                continue
        finally:
            connection.close()
    raise AssertionError(f"nobody answered {path}")
