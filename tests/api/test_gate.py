"""The gate: who passes, what is passed on, and that nothing of a request chooses where it goes."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings, strategies as st
from pytest_httpserver import HTTPServer
from starlette.testclient import TestClient
from werkzeug import Request, Response

from urbancast.api.passage import policy
from urbancast.api.targets import target
from urbancast.core.errors import ContractError
from urbancast.lake import keys

HOME = "http://testserver"
OWN = {"Origin": HOME, "Sec-Fetch-Site": "same-origin"}
PAGE = {"Accept": "text/html,*/*", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}


def state(reply: Any) -> tuple[int, str]:
    assert reply.headers["content-type"] == "application/problem+json", reply.text
    return reply.status_code, reply.json()["state"]


@pytest.fixture
def behind(httpserver: HTTPServer) -> HTTPServer:
    """What is behind: it tells what it was asked."""

    def told(request: Request) -> Response:
        return Response(f"{request.method} {request.environ['REQUEST_URI']} {request.get_data(as_text=True)}")

    httpserver.expect_request("/ops/mlflow/").respond_with_handler(told)
    httpserver.expect_request("/ops/mlflow/told").respond_with_handler(told)
    return httpserver


def asked(behind: HTTPServer) -> list[Request]:
    return [request for request, _ in behind.log]


@pytest.fixture
def visitor(door: Any, behind: HTTPServer) -> Iterator[TestClient]:
    with door.open(behind={"mlflow": behind.port}) as client:
        client.follow_redirects = False
        yield client


@pytest.fixture
def guest(door: Any, visitor: TestClient) -> TestClient:
    """An operator with a session."""
    door.log_in(visitor, "operator")
    return visitor


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
def test_nothing_passes_without_the_session_of_an_operator(
    door: Any, visitor: TestClient, behind: HTTPServer, method: str
) -> None:
    path = "/ops/mlflow/told"
    assert state(visitor.request(method, path, headers=OWN)) == (401, "no-key")
    assert state(visitor.request(method, path, headers=OWN | door.bearer("operator"))) == (401, "no-key")
    door.log_in(visitor, "reader")
    assert state(visitor.request(method, path, headers=OWN)) == (403, "role-too-small")
    visitor.cookies.set("urbancast_session", "nonsense")
    assert visitor.request(method, path, headers={"Cookie": "urbancast_session=x", **OWN}).status_code == 401
    assert asked(behind) == []


def test_a_revoked_operator_does_not_pass(door: Any, guest: TestClient, behind: HTTPServer) -> None:
    assert guest.get("/ops/mlflow/told").status_code == 200
    keys.revoke(door.lake, "the operator", at=door.now)
    assert state(guest.get("/ops/mlflow/told")) == (401, "wrong-key")
    assert len(asked(behind)) == 1


def test_a_person_without_a_session_is_shown_a_page_without_script(visitor: TestClient) -> None:
    reply = visitor.get("/ops/mlflow/", headers=PAGE)
    assert (reply.status_code, reply.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert 'href="/#/operations"' in reply.text
    assert "<script" not in reply.text
    assert "script-src 'self';" in reply.headers["content-security-policy"]


def test_a_request_is_passed_on_as_it_is(guest: TestClient) -> None:
    assert guest.get("/ops/mlflow/told?a=1&b=%2Fx%20y").text == "GET /ops/mlflow/told?a=1&b=%2Fx%20y "
    assert guest.post("/ops/mlflow/told", content=b"question", headers=OWN).text == "POST /ops/mlflow/told question"
    assert guest.head("/ops/mlflow/told").status_code == 200
    reply = guest.get("/ops/mlflow")
    assert (reply.status_code, reply.headers["location"]) == (308, "/ops/mlflow/")
    assert guest.get("/ops/mlflow/not-there").status_code == 500  # as what is behind answers


def test_a_body_of_unknown_length_is_passed_on(guest: TestClient) -> None:
    reply = guest.post("/ops/mlflow/told", content=iter([b"one ", b"two"]), headers=OWN)
    assert reply.text == "POST /ops/mlflow/told one two"


def test_what_is_said_to_us_alone_is_not_passed_on(door: Any, guest: TestClient, behind: HTTPServer) -> None:
    headers = OWN | {
        "X-CSRF-Token": "t", "Referer": f"{HOME}/ops/mlflow/", "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Host": "evil.example", "Forwarded": "for=1.2.3.4", "Connection": "keep-alive, X-Hop", "X-Hop": "1",
        "TE": "trailers", "Proxy-Authorization": "x", "X-Kept": "kept",
    }  # fmt: skip
    assert guest.get("/ops/mlflow/told", headers=headers).status_code == 200
    got = asked(behind)[0].headers
    assert got["Host"] == f"127.0.0.1:{behind.port}"
    assert got["X-Kept"] == "kept"
    assert got["X-Forwarded-For"] == "192.0.2.1"
    for name in ("Cookie", "Authorization", "X-CSRF-Token", "Origin", "Referer", "X-Forwarded-Host", "Forwarded",
                 "X-Hop", "TE", "Proxy-Authorization"):  # fmt: skip
        assert name not in got, name


def test_a_body_of_two_lengths_has_one_behind_the_gate(guest: TestClient, behind: HTTPServer) -> None:
    odd = OWN | {"Content-Length": "3", "Transfer-Encoding": "chunked", "Expect": "100-continue"}
    assert guest.post("/ops/mlflow/told", content=b"one two", headers=odd).text == "POST /ops/mlflow/told one two"
    got = asked(behind)[0].headers
    assert "Content-Length" not in got
    assert "Expect" not in got


def test_what_is_behind_can_set_no_cookie_and_widen_nothing(guest: TestClient, behind: HTTPServer) -> None:
    reply = Response("x", 404, {
        "Set-Cookie": "urbancast_session=planted", "Connection": "X-Hop", "X-Hop": "1", "X-Kept": "kept",
        "Access-Control-Allow-Origin": "*", "Content-Security-Policy": "script-src 'none'", "X-Frame-Options": "ALLOW",
    })  # fmt: skip
    behind.expect_request("/ops/mlflow/odd").respond_with_response(reply)
    got = guest.get("/ops/mlflow/odd")
    assert (got.status_code, got.text, got.headers["x-kept"]) == (404, "x", "kept")
    for name in ("set-cookie", "x-hop", "access-control-allow-origin", "server"):
        assert name not in got.headers
    assert got.headers["x-frame-options"] == "SAMEORIGIN"
    policies = [value for name, value in got.headers.multi_items() if name == "content-security-policy"]
    assert policies[0] == "script-src 'none'"
    assert f"connect-src {HOME}/ops/mlflow/ ws://testserver/ops/mlflow/ data: blob:;" in policies[1]
    assert len(policies) == 2


def test_a_redirect_of_what_is_behind_stays_here(guest: TestClient, behind: HTTPServer) -> None:
    there = Response("", 302, {"Location": f"http://127.0.0.1:{behind.port}/ops/mlflow/next"})
    behind.expect_request("/ops/mlflow/moved").respond_with_response(there)
    reply = guest.get("/ops/mlflow/moved")
    assert (reply.status_code, reply.headers["location"]) == (302, "/ops/mlflow/next")


def test_a_file_that_a_run_left_is_nobodys_page(guest: TestClient, behind: HTTPServer) -> None:
    behind.expect_request("/ops/mlflow/get-artifact").respond_with_data("<script>1</script>", content_type="text/html")
    policies = guest.get("/ops/mlflow/get-artifact?path=r.html").headers.get_list("content-security-policy")
    assert "sandbox allow-scripts allow-downloads" in policies


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site", "Origin": HOME},
     {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "none"}],
)  # fmt: skip
def test_a_change_must_come_from_a_page_of_ours(guest: TestClient, behind: HTTPServer, headers: dict[str, str]) -> None:
    assert state(guest.post("/ops/mlflow/told", content=b"x", headers=headers)) == (403, "cross-site")
    assert asked(behind) == []


def test_another_sites_page_reads_nothing_either(guest: TestClient, behind: HTTPServer) -> None:
    for site in ("cross-site", "same-site"):
        assert state(guest.get("/ops/mlflow/told", headers={"Sec-Fetch-Site": site})) == (403, "cross-site")
    assert asked(behind) == []


def test_opening_a_page_is_written_down_and_its_parts_are_not(door: Any, guest: TestClient) -> None:
    guest.get("/ops/mlflow/", headers=PAGE)
    guest.get("/ops/mlflow/told", headers={"Sec-Fetch-Dest": "script", "Sec-Fetch-Site": "same-origin"})
    assert door.audit() == [("the operator", "login", "allowed"), ("the operator", "open-ui", "allowed")]


def test_somebody_known_who_is_refused_is_written_down(door: Any, visitor: TestClient) -> None:
    door.log_in(visitor, "reader")
    assert visitor.get("/ops/mlflow/", headers=PAGE).status_code == 403
    door.log_in(visitor, "operator")
    assert visitor.post("/ops/mlflow/told", headers={"Origin": "https://evil.example"}).status_code == 403
    assert [entry for entry in door.audit() if entry[1] == "refused"] == [
        ("the reader", "refused", "refused"), ("the operator", "refused", "refused"),
    ]  # fmt: skip


def test_an_interface_that_is_not_there_is_named(guest: TestClient, behind: HTTPServer) -> None:
    reply = guest.get("/ops/grafana/")
    assert state(reply) == (404, "unknown-ui")
    assert "/ops/mlflow/" in reply.json()["expected"]
    behind.stop()
    assert state(guest.get("/ops/mlflow/told")) == (502, "ui-unreachable")
    behind.start()


def test_a_body_beyond_all_measure_is_refused(guest: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urbancast.api.passage.MAX_BODY_BYTES", 1000)
    assert guest.post("/ops/mlflow/told", content=iter([b"x" * 900]), headers=OWN).status_code == 200
    reply = guest.post("/ops/mlflow/told", content=iter([b"x" * 900] * 2), headers=OWN)
    assert state(reply) == (413, "too-large")
    announced = guest.post("/ops/mlflow/told", content=b"x", headers=OWN | {"Content-Length": str(10**9)})
    assert state(announced) == (413, "too-large")


def raw(app: Any, cookie: str, path: bytes) -> int:
    """Status of a GET whose path goes out byte by byte as it is."""
    from urllib.parse import unquote_to_bytes

    statuses: list[int] = []
    body = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(body, None) or await asyncio.Future()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    line, _, query = path.partition(b"?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": unquote_to_bytes(line).decode("utf-8", "replace"), "raw_path": line, "query_string": query,
        "root_path": "", "headers": [(b"host", b"testserver"), (b"cookie", f"urbancast_session={cookie}".encode())],
        "client": ("testclient", 1), "server": ("testserver", 80),
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return statuses[0]


@pytest.mark.parametrize(
    "path",
    [b"/ops/mlflow/../secret", b"/ops/mlflow/%2e%2e/secret", b"/ops/mlflow/a/%2E%2e%2Fsecret/..", b"/ops/mlflow/%5c..",
     b"/ops%2Fmlflow/told", b"/ops/mlflow%2Ftold", b"/ops//evil.example/", b"/ops/mlflow@evil.example/",
     b"/ops/http:%2F%2Fevil.example/", b"/ops/MLFLOW/told", b"/ops/mlflow/x%00y"],
)  # fmt: skip
def test_a_path_that_climbs_or_names_another_place_goes_nowhere(
    guest: TestClient, behind: HTTPServer, path: bytes
) -> None:
    assert raw(guest.app, guest.cookies["urbancast_session"], path) in (404, 308)
    assert asked(behind) == []


ODD = st.sampled_from(
    [b"..", b".", b"", b"%2e%2e", b"%2f", b"\\", b"@evil.example", b"http:", b"x", b"%00", b"%ff", b"?q"]
)


PART = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=6)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(ODD | PART.map(str.encode), max_size=6))
def test_whatever_the_path_it_is_asked_of_what_is_behind_or_not_at_all(
    guest: TestClient, behind: HTTPServer, parts: list[bytes]
) -> None:
    behind.clear_log()
    path = b"/ops/mlflow/" + b"/".join(parts)
    status = raw(guest.app, guest.cookies["urbancast_session"], path)
    assert status in (200, 308, 404, 500)
    for request in asked(behind):
        assert request.environ["REQUEST_URI"].startswith("/ops/mlflow/")
        assert ".." not in request.environ["REQUEST_URI"].partition("?")[0].split("/")
    assert status != 500 or asked(behind)  # of what is behind, which knows two paths


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:5000", "http://localhost:5000/", "http://[::1]:5000", "http://127.9.9.9:1"]
)
def test_a_target_on_loopback_is_taken(url: str) -> None:
    assert target("mlflow", url).port in (5000, 1)


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1:5000", "http://10.0.0.1:5000", "http://evil.example:5000", "http://127.0.0.1", "127.0.0.1:5000",
     "http://127.0.0.1:5000/path", "http://u:p@127.0.0.1:5000", "http://127.0.0.1.evil.example:80", "http://0.0.0.0:5000",
     "http://[oops", "http://127.0.0.1:99999"],
)  # fmt: skip
def test_a_target_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(ContractError, match="URBANCAST_BEHIND_MLFLOW: expected an address of loopback"):
        target("mlflow", url)


@pytest.mark.parametrize("host", ["x'; script-src *", "a b", "evil.example;", "é", ""])
def test_a_host_that_is_none_gets_a_policy_that_allows_nothing(host: str) -> None:
    from starlette.requests import HTTPConnection

    scope = {"type": "http", "scheme": "http", "headers": [(b"host", host.encode())], "path": "/"}
    assert policy(HTTPConnection(scope), "mlflow") == "sandbox; default-src 'none'"


@contextmanager
def live(app: Any) -> Iterator[int]:
    """The app served over real sockets; yields the port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def test_an_answer_is_passed_on_as_it_comes(guest: TestClient, behind: HTTPServer) -> None:
    first_is_read = threading.Event()

    def slowly(_request: Request) -> Response:
        def parts() -> Iterator[bytes]:
            yield b"first"
            assert first_is_read.wait(10)
            yield b"second"

        return Response(parts(), direct_passthrough=True)

    behind.expect_request("/ops/mlflow/slowly").respond_with_handler(slowly)
    with live(guest.app) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        cookie = f"urbancast_session={guest.cookies['urbancast_session']}"
        connection.request("GET", "/ops/mlflow/slowly", headers={"Cookie": cookie})
        reply = connection.getresponse()
        assert reply.read(5) == b"first"
        first_is_read.set()
        assert reply.read() == b"second"
        connection.close()
