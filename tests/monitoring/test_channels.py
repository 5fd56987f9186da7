"""Channels against real receivers on loopback: what arrives, what is tried again, what is never told."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default as modern
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pytest_httpserver import HTTPServer
from structlog.testing import capture_logs
from werkzeug import Request, Response

from urbancast.core.errors import ContractError
from urbancast.monitoring.channels import Email, Log, UndeliveredError, Webhook, configured, payload
from urbancast.settings import Settings

DAY = timedelta(days=1)
WORD = payload(
    {
        "product": "bikes",
        "alert": "stale-source:counts",
        "severity": "warning",
        "state": "open",
        "since": datetime(2026, 3, 31, 10, tzinfo=UTC),
        "message": "counts: 2 updates missed, the first due 2026-03-30T07:00:00Z; the newest is 2026-03-28T21:00:00Z.",
        "action": "See whether the portal answers.",
    },
    is_simulated=True,
)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Letters(Message):
    """Letters as they arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Any] = []

    def handle_message(self, message: Any) -> None:
        self.taken.append(message_from_bytes(message.as_bytes(), policy=modern))


@pytest.fixture
def post() -> Iterator[tuple[Letters, Controller]]:
    letters = Letters()
    controller = Controller(letters, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield letters, controller
    controller.stop()


def test_a_webhook_gets_the_alert_as_json_with_its_runbook(httpserver: HTTPServer) -> None:
    httpserver.expect_oneshot_request("/hook", method="POST").respond_with_data("ok", status=204)
    assert Webhook(url=httpserver.url_for("/hook")).send(WORD) == "answered 204"
    request, _ = httpserver.log[0]
    told = json.loads(request.get_data())
    assert told == {
        "product": "bikes",
        "alert": "stale-source:counts",
        "kind": "stale-source",
        "subject": "counts",
        "severity": "warning",
        "state": "open",
        "since": "2026-03-31T10:00:00Z",
        "message": WORD["message"],
        "action": "See whether the portal answers.",
        "runbook": "docs/runbooks/stale-source.md",
        "simulated": True,
    }


def test_a_passing_fault_is_tried_again_and_a_refusal_is_not(httpserver: HTTPServer) -> None:
    answers = [503, 429, 200]

    def answer(request: Request) -> Response:
        return Response("", status=answers.pop(0))

    httpserver.expect_request("/hook").respond_with_handler(answer)
    assert Webhook(url=httpserver.url_for("/hook"), wait_s=0).send(WORD) == "answered 200"
    httpserver.expect_request("/gone").respond_with_data("no such room", status=404)
    with pytest.raises(UndeliveredError, match="expected 2xx, found 404"):
        Webhook(url=httpserver.url_for("/gone"), wait_s=0).send(WORD)
    assert [request.path for request, _ in httpserver.log] == ["/hook"] * 3 + ["/gone"]


def test_nobody_listening_is_said_without_the_address() -> None:
    url = f"http://127.0.0.1:{free_port()}/services/T0/very-secret"
    with pytest.raises(UndeliveredError) as caught:
        Webhook(url=url, wait_s=0).send(WORD)
    assert "secret" not in str(caught.value)
    assert "ConnectError" in str(caught.value)


def test_a_letter_says_what_since_when_and_what_to_do(post: tuple[Letters, Controller]) -> None:
    letters, server = post
    assert Email(to="ops@example.org", smtp=f"smtp://127.0.0.1:{server.port}").send(WORD) == "taken"
    letter = letters.taken[0]
    assert letter["Subject"] == "[urbancast] warning: bikes stale-source:counts"
    assert letter["To"] == "ops@example.org"
    text = letter.get_content()
    for part in (WORD["message"], "since 2026-03-31T10:00:00Z", WORD["action"], "simulated source"):
        assert part in text


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_server_that_asks_for_a_login_gets_the_one_named(post: tuple[Letters, Controller]) -> None:
    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"ops", b"p@ss/word"))

    letters = Letters()
    controller = Controller(
        letters, hostname="127.0.0.1", port=free_port(), authenticator=check, auth_required=True, auth_require_tls=False
    )
    controller.start()
    try:
        address = f"127.0.0.1:{controller.port}"
        Email(to="ops@example.org", smtp=f"smtp://ops:p%40ss%2Fword@{address}").send(WORD)
        assert len(letters.taken) == 1
        with pytest.raises(UndeliveredError) as caught:
            Email(to="ops@example.org", smtp=f"smtp://ops:wrong-one@{address}").send(WORD)
        assert "wrong-one" not in str(caught.value)
    finally:
        controller.stop()


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS for `localhost`, and the certificate to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    own = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "own.pem").write_bytes(own + signed.public_bytes(Encoding.PEM))
    (folder / "trusted.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "own.pem")
    return context, folder / "trusted.pem"


def test_starttls_holds_only_with_a_trusted_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, trusted = certified(tmp_path)
    letters = Letters()
    server = Controller(letters, hostname="localhost", port=free_port(), tls_context=context, require_starttls=True)
    server.start()
    to = Email(to="ops@example.org", smtp=f"smtp://localhost:{server.port}?starttls=1")
    try:
        with pytest.raises(UndeliveredError, match="SSLCertVerificationError"):
            to.send(WORD)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert to.send(WORD) == "taken"
    finally:
        server.stop()
    assert len(letters.taken) == 1


def test_a_server_without_tls_is_refused_where_tls_is_asked_for(post: tuple[Letters, Controller]) -> None:
    letters, server = post
    with pytest.raises(UndeliveredError, match="SMTPNotSupportedError"):
        Email(to="ops@example.org", smtp=f"smtp://127.0.0.1:{server.port}?starttls=1").send(WORD)
    assert letters.taken == []


def test_no_mail_server_is_said() -> None:
    with pytest.raises(UndeliveredError, match="ConnectionRefusedError"):
        Email(to="ops@example.org", smtp=f"smtp://127.0.0.1:{free_port()}").send(WORD)


@pytest.mark.parametrize(
    ("severity", "state", "level"),
    [("info", "open", "info"), ("warning", "open", "warning"), ("critical", "open", "error"),
     ("critical", "resolved", "info")],
)  # fmt: skip
def test_the_log_speaks_as_loud_as_it_is_grave(severity: str, state: str, level: str) -> None:
    with capture_logs() as lines:
        Log().send({**WORD, "severity": severity, "state": state})
    assert lines[0]["log_level"] == level
    assert lines[0]["alert"] == "stale-source:counts"


def test_only_what_the_environment_names_is_told() -> None:
    assert [one.name for one in configured(Settings())] == ["log"]
    every = Settings(alert_webhook="https://chat.example.org/x", alert_email="ops@example.org", smtp="smtp://h:25")
    assert [one.name for one in configured(every)] == ["log", "webhook", "email"]
    assert "chat.example.org" not in repr(every.smtp)


@pytest.mark.parametrize(
    "settings",
    [
        {"alert_webhook": "chat.example.org"},
        {"alert_webhook": "ftp://chat.example.org/x"},
        {"alert_email": "ops@e.org"},
    ],
)
def test_an_address_that_is_none_is_refused_by_its_variable(settings: dict[str, str]) -> None:
    with pytest.raises(ContractError, match="URBANCAST_"):
        configured(Settings(**settings))
