from __future__ import annotations

import threading

import pytest

from urbancast.core.errors import ContractError, NotReadyError


def test_bytes_come_back_and_are_listed(lake):
    lake.files.put("releases/r1/model.txt", b"tree")
    lake.files.put("releases/r1/facts.json", b"{}")
    assert lake.files.get("releases/r1/model.txt") == b"tree"
    assert lake.files.exists("releases/r1/facts.json")
    assert not lake.files.exists("releases/r1")
    assert lake.files.list("releases") == ["releases/r1/facts.json", "releases/r1/model.txt"]
    assert lake.files.list("nothing") == []


def test_absent_bytes_are_named(lake):
    with pytest.raises(NotReadyError, match="expected bytes at releases/r9, found none"):
        lake.files.get("releases/r9")


@pytest.mark.parametrize("path", ["../outside", "/etc/hostname", "a/../../b"])
def test_a_path_outside_the_lake_is_refused(lake, path):
    with pytest.raises(ContractError, match="expected a path inside the lake"):
        lake.files.put(path, b"x")


def test_a_reader_sees_old_or_new_bytes_whole(lake):
    old, new = b"a" * 2_000_000, b"b" * 2_000_000
    lake.files.put("page", old)
    seen, done = set(), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(lake.files.get("page"))

    reader = threading.Thread(target=read)
    reader.start()
    for payload in [new, old] * 5:
        lake.files.put("page", payload)
    done.set()
    reader.join()
    assert seen <= {old, new}
    assert lake.files.list() == ["_lake.json", "page"]
