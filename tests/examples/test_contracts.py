"""The example folders keep every contract that the products of the package keep."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_folders_pass_the_contract_tests_as_they_are() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["URBANCAST_PRODUCTS"] = str(ROOT / "examples" / "products")
    chosen = ["-k", "jersey_city_bikes or birmingham_parking", "tests/contracts"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "[birmingham_parking]" not in done.stdout  # only failures and skips are named
    assert int(done.stdout.rsplit(" passed", 1)[0].split()[-1]) >= 60
