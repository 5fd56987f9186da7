"""A disk that is full at any write: the run ends loud, what was served stays served, and nothing is lost."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.flows.conftest import NOW, Open
from tests.flows.process import Zygote
from tests.flows.tables import assert_equal, served
from urbancast import products
from urbancast.api.app import create_app
from urbancast.core.errors import NotReadyError
from urbancast.core.time import iso
from urbancast.flows import cycle
from urbancast.lake import alerts
from urbancast.lake.store import Lake

TOMORROW = NOW + timedelta(days=1)
ROOM = 512_000_000
PAGE = 4096


class Disk:
    """A small disk of its own, whose size can be changed while it is in use."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def resize(self, size: int) -> None:
        options = f"remount,size={size}"
        subprocess.run(["mount", "-o", options, str(self.root)], check=True, capture_output=True)

    def leave(self, pages: int) -> None:
        """Leave room for so many pages of 4 kB."""
        self.resize(shutil.disk_usage(self.root).used + pages * PAGE)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    root = tmp_path / "disk"
    root.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", str(root)]
    if shutil.which("mount") is None or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("needs leave to mount a tmpfs: run as root")
    try:
        yield Disk(root)
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("first_day") / "lake"


@pytest.fixture
def begun(first_day: Path, riverton: Open) -> Path:
    if not served(lake := Lake.open(first_day)):
        with riverton(lake) as (job, _):
            cycle.begin(job)
    return first_day


def test_a_full_disk_at_any_write_stops_the_run_loud_and_loses_nothing(
    begun: Path, disk: Disk, tmp_path: Path, forked: Zygote
) -> None:
    shutil.copytree(begun, tmp_path / "spared")
    spared = Lake.open(tmp_path / "spared")
    assert forked.run("day", spared.url, TOMORROW).code == 0
    lake = Lake.open(shutil.copytree(begun, disk.root / "lake"))
    stopped: list[datetime] = []  # origin served after each
    for pages in (0, 3, 12, 24, 36, 48, 60):
        disk.leave(pages)
        ended = forked.run("day", lake.url, TOMORROW)
        assert ended.code == 1, ended.said
        assert "expected room to write, found the disk full; free space" in ended.said.splitlines()[-1]
        stopped.append(assert_forecasts_served(lake))
    assert stopped[:4] == [NOW] * 4, "the first runs came nowhere, and the old forecasts stayed"
    assert not list(disk.root.rglob("*.part"))
    disk.resize(ROOM)
    assert forked.run("day", lake.url, TOMORROW).code == 0
    assert_equal(lake, spared)
    assert forked.run("watch", lake.url, TOMORROW).code == 0
    raised = alerts.current(lake, "riverton").filter(alert="disk-full")
    assert raised.height == 1
    assert "free where the lake lies" in raised["message"][0]


def assert_forecasts_served(lake: Lake) -> datetime:
    """The API answers from the last forecast that was written whole, and says how old it is; its origin."""
    app = create_app(lake.url, catalog={"riverton": products.get("riverton")}, clock=lambda: TOMORROW, poll_seconds=0)
    at = iso(TOMORROW + timedelta(hours=2))
    with TestClient(app) as client:
        answer = client.get("/v1/products/riverton/forecast", params={"place": "n", "at": at})
        ready = client.get("/readyz")
    assert answer.status_code == 200, answer.text
    origin = datetime.fromisoformat(answer.json()["origin"])
    assert origin in (NOW, TOMORROW)
    assert ready.json()["products"]["riverton"]["origin_age_hours"] == (TOMORROW - origin) // timedelta(hours=1)
    return origin


def test_half_a_file_is_taken_back_from_a_full_disk(disk: Disk) -> None:
    lake = Lake.open(disk.root / "lake")
    lake.files.put("raw/whole", b"1")
    disk.leave(8)
    with pytest.raises(NotReadyError, match="found the disk full"):
        lake.files.put("raw/large", bytes(40 * PAGE))
    assert [path.name for path in (disk.root / "lake" / "raw").iterdir()] == ["whole"]
    lake.files.put("raw/small", b"2")
