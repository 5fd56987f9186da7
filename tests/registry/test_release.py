"""A release is what was frozen, to the byte, or it is not served."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.features.panels import utc
from tests.registry.conftest import CUT, PLAN, proposed
from urbancast.core.errors import ContractError, NotReadyError
from urbancast.evaluation import backtest
from urbancast.features.panel import Panel
from urbancast.lake import releases
from urbancast.lake.store import Lake
from urbancast.models import Fitted
from urbancast.registry import release as registry

NOW = utc(2021, 6, 1, 7)


def test_a_loaded_release_forecasts_what_the_frozen_one_did(lake: Lake, fitted: Fitted, seen: Panel) -> None:
    frozen = registry.freeze(lake, fitted, proposed("gbm"), run="r", now=NOW)
    loaded = registry.load(lake, registry.get(lake, "town", frozen.name))
    one, other = (backtest.forecast(seen, PLAN, "count", each, CUT) for each in (fitted, loaded))
    assert one.height == 3 * 48
    assert other.equals(one)


def test_the_manifest_names_every_file_with_its_checksum_and_every_file_is_text(lake: Lake, fitted: Fitted) -> None:
    frozen = registry.freeze(lake, fitted, proposed("gbm"), run="r", now=NOW)
    manifest = json.loads(lake.files.get(f"{frozen.path}/{registry.MANIFEST}"))
    assert manifest == frozen.facts
    assert len(manifest["checksums"]) >= 2
    there = {path.rsplit("/", 1)[-1] for path in lake.files.list(frozen.path)}
    assert there == {registry.MANIFEST, *manifest["checksums"]}
    for name, expected in manifest["checksums"].items():
        payload = lake.files.get(f"{frozen.path}/{name}")
        assert hashlib.sha256(payload).hexdigest() == expected
        assert payload.decode("utf-8").isprintable() or b"\n" in payload


def test_the_same_content_is_the_same_release_and_written_once(lake: Lake, fitted: Fitted) -> None:
    first = registry.freeze(lake, fitted, proposed("gbm"), run="r", now=NOW)
    again = registry.freeze(lake, fitted, proposed("gbm", number=2), run="s", now=NOW + timedelta(days=1))
    assert again == first
    assert releases.read(lake, "town").height == 1


def test_other_content_has_another_name(lake: Lake, fitted: Fitted, simple: Fitted) -> None:
    one = registry.freeze(lake, fitted, proposed("gbm"), run="r", now=NOW)
    other = registry.freeze(lake, simple, proposed("gbm"), run="r", now=NOW)
    assert one.name != other.name
    assert {release.name for release in registry.every(lake, "town")} == {one.name, other.name}


@pytest.mark.parametrize("which", [0, 1])
def test_a_file_changed_after_freezing_stops_the_load_by_name(lake: Lake, fitted: Fitted, which: int) -> None:
    frozen = registry.freeze(lake, fitted, proposed("gbm"), run="r", now=NOW)
    file = sorted(frozen.facts["checksums"])[which]
    payload = lake.files.get(f"{frozen.path}/{file}")
    lake.files.put(f"{frozen.path}/{file}", payload.replace(b"1", b"2", 1))
    with pytest.raises(ContractError, match=rf"{frozen.name}, file {file}: expected sha256 .*roll back"):
        registry.load(lake, frozen)


def test_a_file_that_is_gone_stops_the_load_by_name(lake: Lake, fitted: Fitted) -> None:
    frozen = registry.freeze(lake, fitted, proposed("gbm"), run="r", now=NOW)
    lost = replace(frozen, path=f"releases/town/lost-{frozen.name}")
    with pytest.raises(NotReadyError, match=rf"expected bytes at releases/town/lost-{frozen.name}/.*, found none"):
        registry.load(lake, lost)


def test_a_name_nobody_froze_says_what_to_do(lake: Lake) -> None:
    assert registry.find(lake, "town", "count-gbm-0") is None
    with pytest.raises(NotReadyError, match="expected one named count-gbm-0 of town, found none; train town first"):
        registry.get(lake, "town", "count-gbm-0")


def test_the_baseline_is_the_release_0_trained_on_the_most_recent_past(
    lake: Lake, fitted: Fitted, simple: Fitted
) -> None:
    assert registry.baseline(lake, "town", "count") is None
    newer = registry.freeze(lake, simple, proposed("seasonal_naive", number=0), run="r", now=NOW)
    older = proposed("seasonal_naive", number=0, trained_until=CUT - timedelta(days=9))
    registry.freeze(lake, fitted, older, run="r", now=NOW + timedelta(hours=1))
    registry.freeze(lake, fitted, proposed("gbm", measure="other", number=0), run="r", now=NOW)
    assert registry.baseline(lake, "town", "count") == newer


def test_numbers_count_up_from_1_by_measure(lake: Lake, fitted: Fitted, simple: Fitted) -> None:
    assert registry.next_number(lake, "town", "count") == 1
    registry.freeze(lake, simple, proposed("seasonal_naive", number=0), run="r", now=NOW)
    assert registry.next_number(lake, "town", "count") == 1
    registry.freeze(lake, fitted, proposed("gbm", number=1), run="r", now=NOW)
    assert registry.next_number(lake, "town", "count") == 2
    assert registry.next_number(lake, "town", "other") == 1
