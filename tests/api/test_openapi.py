"""Generated questions over the whole OpenAPI: never a 500, always what the page declares."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
ROUTES = {
    "/healthz", "/metrics", "/readyz", "/v1/products", "/v1/products/{product}", "/v1/products/{product}/answer",
    "/v1/products/{product}/export/{table}.{shape}", "/v1/products/{product}/forecast", "/v1/products/{product}/map",
    "/v1/products/{product}/places", "/v1/products/{product}/search", "/v1/products/{product}/track-record",
    "/v1/products/{product}/track-record.csv", "/v1/products/{product}/ledger", "/v1/products/{product}/ledger/{day}",
    "/v1/products/{product}/near", "/v1/products/{product}/pair", "/v1/products/{product}/route",
    "/v1/products/{product}/stock-plan", "/v1/products/{product}/stock-plan.csv", "/v1/session", "/v1/status",
    "/v1/operations", "/v1/operations/audit", "/v1/operations/{product}/runs", "/v1/operations/{product}/runs.csv",
    "/v1/operations/{product}/runs/{run}", "/v1/operations/{product}/raw", "/v1/operations/{product}/reports/{day}",
    "/v1/operations/{product}/requests",
}  # fmt: skip


def test_the_page_lists_every_route_and_no_other(client: TestClient) -> None:
    assert set(client.get("/openapi.json").json()["paths"]) == ROUTES


# Half the questions name a product that is there, so that they reach what lies behind the name.
CASES = [(path, None) for path in sorted(ROUTES)] + [(path, "bikes") for path in sorted(ROUTES) if "{product}" in path]


@pytest.mark.parametrize(("path", "product"), CASES)
def test_no_generated_question_breaks_the_api(client: TestClient, path: str, product: str | None) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    for verb in client.get("/openapi.json").json()["paths"][path]:
        operation = schema[path][verb]

        @settings(
            max_examples=15, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            if product is not None:
                case.path_parameters["product"] = product
            case.call_and_validate(checks=CHECKS, headers={"Host": "localhost"})

        ask()
