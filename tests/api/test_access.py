"""Who comes in, as whom, and for how long; what is refused says how to come in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from starlette.testclient import TestClient

from urbancast.api.app import create_app
from urbancast.core.errors import ContractError
from urbancast.lake import keys
from urbancast.lake.secret import PATH
from urbancast.settings import settings as deployed

EVIL = "https://evil.example"


def state(reply: Any) -> tuple[int, str]:
    assert reply.headers["content-type"] == "application/problem+json", reply.text
    return reply.status_code, reply.json()["state"]


@pytest.fixture
def visitor(door: Any) -> Iterator[TestClient]:
    with door.open() as client:
        yield client


def test_without_a_key_nothing_behind_the_login_is_seen(visitor: TestClient) -> None:
    reply = visitor.get("/v1/seen")
    assert state(reply) == (401, "no-key")
    assert reply.headers["www-authenticate"] == 'Bearer realm="urbancast"'
    assert state(visitor.post("/v1/done")) == (401, "no-key")


def test_public_look_ups_ask_for_no_key(visitor: TestClient) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Cookie": "urbancast_session=nonsense"}):
        assert visitor.get("/v1/products", headers=headers).status_code == 200


def test_a_reader_sees_and_does_not_act(door: Any, visitor: TestClient) -> None:
    assert visitor.get("/v1/seen", headers=door.bearer("reader")).json() == {"name": "the reader", "role": "reader"}
    reply = visitor.post("/v1/done", headers=door.bearer("reader"))
    assert state(reply) == (403, "role-too-small")
    assert "the role operator" in reply.json()["expected"]
    assert visitor.post("/v1/done", headers=door.bearer("operator")).status_code == 200
    assert visitor.get("/v1/seen", headers=door.bearer("operator")).status_code == 200
    assert door.audit() == [("the reader", "refused", "refused")]


def test_a_key_needs_no_token_against_forged_requests(door: Any, visitor: TestClient) -> None:
    door.log_in(visitor, "reader")
    assert visitor.post("/v1/done", headers=door.bearer("operator")).status_code == 200


def test_a_wrong_key_is_refused_and_written_down_without_it(door: Any, visitor: TestClient) -> None:
    wrong = door.texts["operator"][:-4] + "AAAA"
    for key in (wrong, "uc_aaaaaaaaaaaa_" + "A" * 43, "nonsense"):
        reply = visitor.get("/v1/seen", headers={"Authorization": f"Bearer {key}"})
        assert state(reply) == (401, "wrong-key")
        assert 'error="invalid_token"' in reply.headers["www-authenticate"]
        assert key not in reply.text
    assert door.audit() == [("nobody", "key", "refused")] * 3
    assert wrong not in str(door.lake.scan("audit").collect().to_dicts())


def test_a_revoked_key_opens_nothing_from_the_next_request_on(door: Any, visitor: TestClient) -> None:
    assert visitor.get("/v1/seen", headers=door.bearer("reader")).status_code == 200
    keys.revoke(door.lake, "the reader", at=door.now)
    assert state(visitor.get("/v1/seen", headers=door.bearer("reader"))) == (401, "wrong-key")


def test_revoking_a_key_ends_its_sessions(door: Any, visitor: TestClient) -> None:
    door.log_in(visitor, "operator")
    assert visitor.get("/v1/seen").status_code == 200
    keys.revoke(door.lake, door.keys["operator"].key, at=door.now)
    assert state(visitor.get("/v1/seen")) == (401, "wrong-key")


def test_a_known_key_is_hashed_once(door: Any, visitor: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    verify = keys.verify
    monkeypatch.setattr(keys, "verify", lambda known, text: asked.append(text) or verify(known, text))
    for _ in range(5):
        assert visitor.get("/v1/seen", headers=door.bearer("reader")).status_code == 200
    assert len(asked) == 1


def test_a_session_says_who_and_until_when(door: Any, visitor: TestClient) -> None:
    told = door.log_in(visitor, "operator")
    assert {name: told[name] for name in ("name", "role", "expires_at")} == {
        "name": "the operator", "role": "operator", "expires_at": "2026-03-29T20:00:00Z",
    }  # fmt: skip
    assert visitor.get("/v1/session").json() == told
    by_key = visitor.get("/v1/session", headers=door.bearer("reader")).json()
    assert by_key == {"name": "the reader", "role": "reader", "csrf": None, "expires_at": None}


def test_a_session_ends_after_eight_hours(door: Any, visitor: TestClient) -> None:
    door.log_in(visitor, "operator")
    door.now += timedelta(hours=8, seconds=-1)
    assert visitor.get("/v1/session").status_code == 200
    door.now += timedelta(seconds=1)
    assert state(visitor.get("/v1/session")) == (401, "wrong-key")


def test_a_session_that_was_ended_opens_nothing_though_its_cookie_was_kept(door: Any, visitor: TestClient) -> None:
    token = {"X-CSRF-Token": door.log_in(visitor, "operator")["csrf"]}
    kept = {"Cookie": f"urbancast_session={visitor.cookies['urbancast_session']}"}
    reply = visitor.delete("/v1/session", headers=token)
    assert reply.json() == {"ended": True}
    assert "Max-Age=0" in reply.headers["set-cookie"]
    assert state(visitor.get("/v1/seen")) == (401, "no-key")
    assert state(visitor.get("/v1/seen", headers=kept)) == (401, "wrong-key")
    assert [entry[1:] for entry in door.audit()] == [("login", "allowed"), ("logout", "allowed")]


def test_a_session_outlives_the_server(door: Any) -> None:
    with door.open() as first:
        door.log_in(first, "operator")
        cookie = first.cookies["urbancast_session"]
    with door.open() as second:
        assert second.get("/v1/seen", headers={"Cookie": f"urbancast_session={cookie}"}).status_code == 200


def test_sessions_signed_by_the_environments_secret_need_no_file(door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URBANCAST_SECRET", "s" * 32)
    deployed.cache_clear()
    with door.open() as client:
        door.log_in(client, "reader")
        assert client.get("/v1/session").status_code == 200
    assert not door.lake.files.exists(PATH)
    monkeypatch.setenv("URBANCAST_SECRET", "hunter2")
    deployed.cache_clear()
    with pytest.raises(ContractError, match="URBANCAST_SECRET: expected at least 32 characters, found 7"):
        door.open()
    deployed.cache_clear()


def test_the_cookie_is_hidden_from_scripts_and_from_other_sites(door: Any) -> None:
    for base_url, is_secure in (
        ("http://localhost", False),
        ("https://localhost", True),
        ("http://maps.example", True),
    ):
        with door.open(base_url=base_url, host="0.0.0.0") as client:
            reply = client.post("/v1/session", json={"key": door.texts["reader"]})
            cookie = reply.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Max-Age=28800" in cookie
        assert ("Secure" in cookie) is is_secure
        assert reply.headers["cache-control"] == "no-store"


def test_a_change_by_cookie_needs_the_sessions_token(door: Any, visitor: TestClient) -> None:
    csrf = door.log_in(visitor, "operator")["csrf"]
    for token in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "0" * 64}, {"X-CSRF-Token": csrf[:-1]}):
        assert state(visitor.post("/v1/done", headers=token)) == (403, "no-csrf-token")
    assert visitor.post("/v1/done", headers={"X-CSRF-Token": csrf}).status_code == 200
    other = TestClient(visitor.app, raise_server_exceptions=False)
    assert door.log_in(other, "operator")["csrf"] != csrf
    assert state(other.post("/v1/done", headers={"X-CSRF-Token": csrf})) == (403, "no-csrf-token")


@pytest.mark.parametrize(
    "headers",
    [{"Origin": EVIL}, {"Origin": "null"}, {"Origin": "http://[oops"}, {"Origin": "http://testserver:1"},
     {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"}],
)  # fmt: skip
def test_another_sites_page_can_neither_change_nor_log_in(door: Any, visitor: TestClient, headers: Any) -> None:
    csrf = door.log_in(visitor, "operator")["csrf"]
    assert state(visitor.post("/v1/done", headers={"X-CSRF-Token": csrf, **headers})) == (403, "cross-site")
    assert state(visitor.post("/v1/session", json={"key": door.texts["reader"]}, headers=headers)) == (
        403,
        "cross-site",
    )


def test_our_own_page_changes(door: Any, visitor: TestClient) -> None:
    csrf = door.log_in(visitor, "operator")["csrf"]
    own = {"X-CSRF-Token": csrf, "Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
    assert visitor.post("/v1/done", headers=own).status_code == 200


def test_a_signed_token_of_another_hand_is_no_session(door: Any, visitor: TestClient) -> None:
    door.log_in(visitor, "operator")
    claims = jwt.decode(visitor.cookies["urbancast_session"], options={"verify_signature": False})
    assert set(claims) == {"sub", "jti", "iat", "exp"}
    forged = [
        jwt.encode(claims, "x" * 32, algorithm="HS256"),
        jwt.encode(claims, None, algorithm="none"),  # type: ignore[arg-type]
        visitor.cookies["urbancast_session"][:-2],
    ]
    visitor.cookies.clear()
    for token in forged:
        reply = visitor.get("/v1/seen", headers={"Cookie": f"urbancast_session={token}"})
        assert state(reply) == (401, "wrong-key")


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("URBANCAST_LOGINS_PER_MINUTE", "0")
        deployed.cache_clear()
        app = create_app(str(tmp_path_factory.mktemp("fuzz") / "lake"), catalog={}, poll_seconds=0.0)
    deployed.cache_clear()
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=200)
BEGINNINGS = st.sampled_from(
    ["", "Bearer ", "bearer  ", "Basic ", "Bearer uc_", "Bearer uc_aaaaaaaaaaaa_", "Bearer eyJ."]
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(beginning=BEGINNINGS, rest=HEADER)
def test_no_authorization_header_breaks_the_door(unlimited: TestClient, beginning: str, rest: str) -> None:
    reply = unlimited.get("/v1/session", headers={"Authorization": (beginning + rest).encode("latin-1")})
    assert state(reply) == (401, "wrong-key")


TOKENS = st.one_of(
    HEADER,
    st.dictionaries(st.sampled_from(["sub", "jti", "iat", "exp"]), st.one_of(st.integers(), st.text(), st.none())).map(
        lambda claims: jwt.encode(claims, "x" * 32, algorithm="HS256")
    ),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=TOKENS)
def test_no_cookie_breaks_the_door(unlimited: TestClient, token: str) -> None:
    reply = unlimited.get("/v1/session", headers={"Cookie": f"urbancast_session={token}".encode("latin-1")})
    assert reply.status_code == 401
    assert state(reply)[1] in ("wrong-key", "no-key")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.text(max_size=250))
def test_no_text_in_place_of_a_key_breaks_the_login(unlimited: TestClient, key: str) -> None:
    reply = unlimited.post("/v1/session", json={"key": key})
    assert state(reply)[0] in (401, 422)


def test_keys_that_cannot_be_read_open_nothing(door: Any, visitor: TestClient) -> None:
    assert visitor.get("/v1/seen", headers=door.bearer("reader")).status_code == 200
    log = next((door.lake.files.root / "tables" / "keys" / "_delta_log").glob("*.json"))
    keys.new(door.lake, name="third", role="reader", at=door.now)
    newest = max((door.lake.files.root / "tables" / "keys" / "_delta_log").glob("*.json"))
    assert newest != log
    newest.write_text("not a commit")
    reply = visitor.get("/v1/seen", headers=door.bearer("reader"))
    assert state(reply) == (503, "not-ready")
