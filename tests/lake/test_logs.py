"""What a run said is kept by run, without places or secrets, and a log that cannot be written costs nothing."""

from __future__ import annotations

import json
from datetime import date

import pytest
import structlog
from hypothesis import given, strategies as st

from urbancast.lake import logs, scrub
from urbancast.lake.files import FolderFiles

P = "paris_bikes"


def said(event: str, day: int = 12, **fields):
    return {"at": f"2021-07-{day}T09:00:00.000Z", "level": "info", "event": event, **fields}


def test_lines_come_back_in_the_order_they_were_said(lake):
    assert logs.append(lake, P, "pull-1", [said("started"), said("done")]) == 2
    assert logs.append(lake, P, "pull-1", [said("started", day=13)]) == 1
    assert [line["event"] for line in logs.read(lake, P, "pull-1")] == ["started", "done", "started"]
    assert lake.files.list("logs") == [f"logs/{P}/2021-07-{day}/pull-1.jsonl" for day in (12, 13)]
    assert logs.read(lake, P, "pull-2") == []


def test_a_run_is_found_by_its_whole_name_whatever_its_characters(lake):
    names = ["train-paris_bikes-2026-03-31T10:00:00Z", "train-é/è ?", "train-paris_bikes-2026-03-31T10:00:00Z-rules"]
    for name in names:
        logs.append(lake, P, name, [said(name)])
    assert [logs.read(lake, P, name)[0]["event"] for name in names] == names
    assert sorted(logs.kept(lake, P)) == sorted(names)


@pytest.mark.parametrize(
    "name",
    [
        *("lat", "lon", "home_lat", "longitude", "Address", "from_address", "token", "authToken", "api_key"),
        *("Authorization", "X-Api-Key", "SOCRATA_TOKEN", "password", "Set-Cookie", "csrf", "client_secret"),
        "AWS_SECRET_ACCESS_KEY",
    ],
)
def test_a_private_field_loses_its_value_at_any_depth(name):
    kept = scrub.fields({"facts": [{name: "48.8566"}], name: {"deep": 2.35}})
    assert kept == {"facts": [{name: scrub.REMOVED}], name: scrub.REMOVED}


@pytest.mark.parametrize(
    "name", ["rows", "platform", "flatness", "monkey", "seconds", "belongs", "addressed_rows", "slat"]
)
def test_a_field_that_only_sounds_like_one_keeps_it(name):
    assert scrub.fields({name: 3}) == {name: 3}


@pytest.mark.parametrize(
    ("text", "kept", "gone"),
    [
        ("GET https://portal.example/api?lat=48.85&key=abc failed", "https://portal.example/api", "48.85"),
        ("GET https://me:word@portal.example/x", "https://portal.example/x", "word"),
        ("asked /v1/products/p/forecast?place=near-home", "/v1/products/p/forecast", "near-home"),
        ("header Authorization: Bearer abc.def-ghi", "header", "abc.def"),
        ("used uc_1a2b_verysecret here", "used", "verysecret"),
        ("found AKIAABCDEFGHIJKLMNOP there", "found", "AKIAABC"),
        ("stood at 48.85661, 2.35222 then", "stood at", "48.856"),
        ("with token=abc123 and rows=4", "rows=4", "abc123"),
        ('{"address": "1 Rue X", "rows": 4}', '"rows": 4', "Rue"),
        ("lon='2.3522' set", "set", "2.35"),
        ("s3://bucket/raw?X-Amz-Signature=abc", "s3://bucket/raw", "abc"),
    ],
)
def test_a_text_loses_places_and_secrets_and_keeps_the_rest(text, kept, gone):
    scrubbed = scrub.text(text)
    assert kept in scrubbed
    assert gone not in scrubbed


def test_messages_of_ours_are_readable_after_scrubbing():
    message = "riverton.counts: expected a whole answer, found 503 (12.5 s); try again later, see 2026-03-31T10:00:00Z"
    assert scrub.text(message) == message


@given(st.floats(-90, 90).map(lambda x: f"{x:.5f}"), st.floats(-180, 180).map(lambda x: f"{x:.5f}"))
def test_no_pair_of_coordinates_survives_in_any_form(lat, lon):
    for text in (
        f"{lat},{lon}",
        f"({lat}, {lon})",
        f"lat={lat} lon={lon}",
        f"http://x/?a={lat}&b={lon}",
        f"{lat} {lon}",
    ):
        scrubbed = scrub.text(text)
        assert lat not in scrubbed or lon not in scrubbed, scrubbed
        assert scrub.REMOVED in scrubbed


def test_what_is_appended_was_scrubbed(lake):
    logs.append(lake, P, "r", [said("asked", url="https://x.example/a?lat=48.1", token="abc", facts={"lat": 48.85})])
    raw = lake.files.get(lake.files.list("logs")[0]).decode()
    assert all(secret not in raw for secret in ("48.1", "abc", "48.85"))


def test_a_run_that_never_stops_talking_is_cut_with_a_note(lake):
    for _ in range(4):
        logs.append(lake, P, "r", [said("x " * 1_500, facts={"words": ["y" * 3_000] * 3}) for _ in range(40)])
    kept = logs.read(lake, P, "r")
    assert kept[-1]["event"] == logs.FULL
    assert [line["event"] for line in kept].count(logs.FULL) == 1
    assert len(lake.files.get(lake.files.list("logs")[0])) <= logs.LONGEST_RUN
    assert logs.append(lake, P, "r", [said("short")]) == 0


def test_a_line_too_long_is_shortened_and_still_json(lake):
    logs.append(lake, P, "r", [said("long", facts={"all": ["y" * 3_000] * 9})])
    line = logs.read(lake, P, "r")[0]
    assert line["event"] == "long"
    assert len(json.dumps(line)) < logs.LONGEST_LINE


def test_a_log_that_cannot_be_written_is_said_and_fails_nothing(lake, tmp_path):
    (tmp_path / "file").write_text("in the way")
    lake.files = FolderFiles(tmp_path / "file")
    with structlog.testing.capture_logs() as told:
        assert logs.append(lake, P, "r", [said("started")]) == 0
    assert [line["event"] for line in told] == ["a run's log could not be written"]


def test_old_days_expire_and_the_others_stay(lake):
    for day in (10, 11, 12):
        logs.append(lake, P, f"r{day}", [said("x", day=day)])
    assert logs.expire(lake, before=date(2021, 7, 12)) == 2
    assert logs.kept(lake, P) == ["r12"]
    assert logs.expire(lake, before=date(2021, 7, 12)) == 0


def test_what_is_logged_within_is_heard_and_what_is_logged_after_is_not():
    log = structlog.get_logger("anything")
    with structlog.testing.capture_logs(), structlog.contextvars.bound_contextvars(run="r1"), logs.heard() as lines:
        log.warning("a page came twice", pages=2)
    log.debug("after")
    assert [(line["event"], line["level"], line["pages"], line["run"]) for line in lines] == [
        ("a page came twice", "warning", 2, "r1")
    ]
