from __future__ import annotations

import httpx
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from urbancast.core.errors import PortalError
from urbancast.portals.errors import PassingError
from urbancast.portals.session import Policy, Session, check_status

AGAIN = Policy(attempts=3, wait_initial_s=0, read_s=0.3)
DAY = "resource/h9gi-nx95.json?$limit=3"


@pytest.mark.parametrize("kind", ["429", "500", "503", "html200", "truncation", "timeout"])
def test_a_passing_fault_is_waited_out(emulator, session, kind):
    emulator.faults.inject(kind, times=2 if kind != "timeout" else 1)
    answer = session.get(f"{emulator.url}/{DAY}")
    assert answer.payload.count(b"collision_id") == 3


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("429", "found 429"),
        ("500", "found 500"),
        ("503", "found 503"),
        ("html200", "found a web page"),
        ("truncation", "expected a whole answer"),
        ("timeout", "ReadTimeout"),
    ],
)
def test_a_lasting_fault_is_a_portal_error(emulator, session, kind, told):
    emulator.faults.inject(kind, times=99)
    with pytest.raises(PortalError, match=told):
        session.get(f"{emulator.url}/{DAY}")
    assert len(emulator.asked) == 3


def test_a_portal_that_is_gone_is_a_portal_error(emulator, session):
    url = emulator.url
    emulator.__exit__(None, None, None)
    with pytest.raises(PortalError, match="ConnectError"):
        session.get(f"{url}/{DAY}")


def test_a_host_off_the_list_is_refused_and_the_setting_named():
    with Session(hosts=["data.example.org"]) as session, pytest.raises(PortalError) as refused:
        session.get("http://127.0.0.1:9/x")
    assert "'127.0.0.1'" in str(refused.value)
    assert "URBANCAST_PORTAL_HOSTS" in str(refused.value)


def test_a_redirect_to_a_host_off_the_list_is_refused(httpserver: HTTPServer):
    httpserver.expect_request("/here").respond_with_response(
        Response(status=302, headers={"Location": "https://elsewhere.example.org/data"})
    )
    with Session(hosts=[httpserver.host], policy=AGAIN) as session:
        session.hosts = frozenset({httpserver.host})
        with pytest.raises(PortalError, match=r"'elsewhere\.example\.org'"):
            session.get(httpserver.url_for("/here"))


def test_an_answer_over_the_limit_is_refused_at_once(emulator):
    policy = Policy(attempts=3, wait_initial_s=0, size_limit=1000)
    with (
        Session.of(link=emulator.url, policy=policy) as session,
        pytest.raises(PortalError, match="at most 1000 bytes"),
    ):
        session.get(f"{emulator.url}/resource/h9gi-nx95.json")
    assert len(emulator.asked) == 1


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_what_has_not_changed_is_not_sent_again(httpserver: HTTPServer, tmp_path, is_on_disk):
    httpserver.expect_ordered_request("/table").respond_with_data("a;b\n1;2\n", headers={"ETag": '"v1"'})
    httpserver.expect_ordered_request("/table", headers={"If-None-Match": '"v1"'}).respond_with_data(status=304)
    with Session(hosts=[httpserver.host], policy=AGAIN, folder=tmp_path if is_on_disk else None) as session:
        first = session.get(httpserver.url_for("/table"))
        again = session.get(httpserver.url_for("/table"))
    assert (first.is_cached, again.is_cached) == (False, True)
    assert again.payload == first.payload == b"a;b\n1;2\n"


def test_a_kept_answer_that_was_damaged_is_asked_for_again(httpserver: HTTPServer, tmp_path):
    httpserver.expect_request("/table").respond_with_data("a;b\n1;2\n", headers={"ETag": '"v1"'})
    with Session(hosts=[httpserver.host], policy=AGAIN, folder=tmp_path) as session:
        session.get(httpserver.url_for("/table"))
        (kept,) = (tmp_path / "answers").iterdir()
        kept.write_bytes(kept.read_bytes()[:-1])
        assert not session.get(httpserver.url_for("/table")).is_cached


def test_a_wait_longer_than_our_patience_is_not_begun(httpserver: HTTPServer):
    httpserver.expect_request("/busy").respond_with_response(Response(status=429, headers={"Retry-After": "600"}))
    patience = Policy(attempts=5, wait_initial_s=0, wait_max_s=60)
    with Session(hosts=[httpserver.host], policy=patience) as session, pytest.raises(PassingError, match="found 429"):
        session.get(httpserver.url_for("/busy"))
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("600", 600), ("Mon, 02 Nov 2026 06:10:00 GMT", 600), ("Mon, 02 Nov 2026 05:00:00 GMT", 0), ("soon", None)],
)
def test_retry_after_is_a_number_or_a_date(retry_after, seconds):
    headers = {"Retry-After": retry_after, "Date": "Mon, 02 Nov 2026 06:00:00 GMT"}
    with pytest.raises(PassingError) as told:
        check_status(httpx.Response(503, headers=headers, request=httpx.Request("GET", "https://data.example.org")))
    assert told.value.retry_after_s == seconds


def test_a_page_that_is_not_there_is_not_asked_twice(emulator, session):
    with pytest.raises(PortalError, match=r"404.*No such address"):
        session.get(f"{emulator.url}/nothing")
    assert len(emulator.asked) == 1


def test_the_emulator_says_why_it_refuses(emulator):
    assert httpx.get(f"{emulator.url}/resource/none.json").json()["code"] == "dataset.missing"
