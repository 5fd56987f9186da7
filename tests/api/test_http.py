"""How answers travel: tags, compression, headers, logs, operation."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import structlog
from starlette.testclient import TestClient

from urbancast.api.app import create_app
from urbancast.api.payload import accepts_gzip, matches

NOW = datetime(2021, 10, 30, 6, tzinfo=UTC)
MAP = "/v1/products/bikes/map?at=2021-10-30T16:00Z"
TAGGED = [MAP, "/v1/products", "/v1/products/bikes/places", "/v1/products/bikes/track-record",
          "/v1/products/bikes/forecast?place=a&at=2021-10-30T16:00Z"]  # fmt: skip


@pytest.mark.parametrize("path", TAGGED)
def test_a_known_tag_is_answered_by_304_without_a_body(client: TestClient, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("header", "is_match"),
    [('"t"', True), ('W/"t"', True), ('"x", "t"', True), ("*", True), ('"tt"', False), ("", False)],
)
def test_if_none_match_is_read_as_a_list(header: str, is_match: bool) -> None:
    assert matches(header, "t") is is_match


@pytest.mark.parametrize(
    ("header", "takes"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False), ("identity", False), ("", False)],
)
def test_gzip_only_for_those_who_take_it(header: str, takes: bool) -> None:
    assert accepts_gzip(header) is takes


def test_large_answers_are_compressed_and_the_same(client: TestClient) -> None:
    path = "/v1/products/bikes/forecast?place=a&from=2021-10-30T00:00Z"
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert packed.headers["content-encoding"] == "gzip"
    assert len(raw) < len(plain.content) / 3
    assert gzip.decompress(raw) == plain.content
    assert "Accept-Encoding" in plain.headers["vary"]


def test_a_post_answer_is_never_stored(client: TestClient) -> None:
    response = client.post("/v1/products/bikes/answer", json={"place": "a", "at": "2021-10-30T16:00Z"})
    assert response.headers["cache-control"] == "private, no-store"


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for path in ("/", "/docs", MAP, "/nope"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "'unsafe-inline'" not in policy.partition("style-src")[0]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_the_docs_page_runs_no_script_and_shows_every_route(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "<script" not in page
    for path, verbs in client.get("/openapi.json").json()["paths"].items():
        assert path.replace("&", "&amp;") in page
        for operation in verbs.values():
            good = operation["responses"]["200"]["content"]
            assert path == "/metrics" or all("example" in media for media in good.values()), path


def test_another_host_name_is_refused(client: TestClient) -> None:
    response = client.get("/v1/products", headers={"Host": "evil.example:8000"})
    assert (response.status_code, response.json()["state"]) == (421, "unknown-host")
    assert client.get("/healthz", headers={"Host": "localhost:8000"}).status_code == 200


def test_a_server_bound_to_all_interfaces_answers_to_any_name(city: Any) -> None:
    with city.client(host="0.0.0.0") as client:
        assert client.get("/healthz", headers={"Host": "maps.example"}).status_code == 200


def test_locations_and_questions_reach_neither_log_nor_metrics(client: TestClient) -> None:
    with structlog.testing.capture_logs() as logs:
        client.post("/v1/products/bikes/answer", json={"lat": 48.86123, "lon": 2.35123, "at": "2021-10-30T16:00Z"})
        client.post("/v1/products/bikes/answer", json={"address": "Secret Street 9"})
        client.post("/v1/products/bikes/answer", json={"lat": 48.86123, "lon": "x2.35123"})
        client.get("/v1/products/Secret/map?at=48.86123")
        client.get("/Secret/48.86123")
    assert len(logs) >= 5
    kept = repr(logs) + client.get("/metrics").text
    for secret in ("48.86123", "2.35123", "Secret"):
        assert secret not in kept


def test_metrics_count_by_route_template_and_tell_ages(client: TestClient) -> None:
    client.get(MAP)
    text = client.get("/metrics").text
    assert 'urbancast_requests_total{method="GET",route="/v1/products/{product}/map",status="200"}' in text
    assert 'urbancast_served_origin_age_seconds{product="bikes"} 21600.0' in text
    assert 'urbancast_served_issue_age_seconds{product="bikes"} 18000.0' in text


def test_ready_tells_ages_and_stale_is_not_unready(city: Any, client: TestClient) -> None:
    now = client.get("/readyz").json()
    assert now["ready"] is True
    assert now["products"]["bikes"] == {"ready": True, "origin_age_hours": 6.0, "issued_age_hours": 5.0}
    assert now["products"]["empty"]["ready"] is False
    with city.client(clock=lambda: NOW + timedelta(days=2)) as later:
        response = later.get("/readyz")
        assert (response.status_code, response.json()["products"]["bikes"]["origin_age_hours"]) == (200, 54.0)
        strip = {each["id"]: each for each in later.get("/v1/status").json()["products"]}
        assert strip["bikes"]["freshness"] == {"age_hours": 54.0, "expected_hours": 24.0, "is_late": True}


def test_an_empty_lake_is_alive_but_not_ready(tmp_path: Path, city: Any) -> None:
    with TestClient(create_app(str(tmp_path / "new"), catalog=city.catalog, poll_seconds=0.0)) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert {each["state"] for each in client.get("/v1/products").json()} == {"waiting"}


def test_without_a_web_build_the_root_says_how_to_make_one(city: Any, tmp_path: Path) -> None:
    with city.client(web=tmp_path / "none") as client:
        assert "make web" in client.get("/").text


def test_the_built_map_is_served_with_assets_that_may_be_kept(city: Any, tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>map</title>")
    (tmp_path / "assets" / "app-1a2b.js").write_text("export {}")
    with city.client(web=tmp_path) as client:
        assert "<title>map" in client.get("/").text
        asset = client.get("/assets/app-1a2b.js")
        assert "immutable" in asset.headers["cache-control"]
        assert "javascript" in asset.headers["content-type"]
        assert client.get("/v1/products").status_code == 200
        for path in ("/assets/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/none.js"):
            assert client.get(path).json()["state"] == "not-found"


@pytest.mark.parametrize("table", ["forecasts", "scores"])
def test_exports_hold_every_row_and_say_that_they_are_simulated(city: Any, client: TestClient, table: str) -> None:
    stored = city.lake.scan(table, product="bikes").collect()
    packed = client.get(f"/v1/products/bikes/export/{table}.parquet")
    frame = pl.read_parquet(io.BytesIO(packed.content))
    assert frame.height == stored.height > 0
    assert frame.drop("provenance", "simulated").equals(stored)
    assert frame["provenance"].unique().to_list() == ["sample"]
    text = client.get(f"/v1/products/bikes/export/{table}.csv")
    assert text.headers["content-type"] == "text/csv; charset=utf-8"
    assert f"bikes-{table}.csv" in text.headers["content-disposition"]
    table_read = pl.read_csv(io.BytesIO(text.content), schema_overrides={"place": pl.String})
    assert table_read.height == stored.height
    assert table_read["simulated"].all()
