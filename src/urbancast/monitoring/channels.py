"""Channels: where a person is told of an alert; each sends one word or says why it could not."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import httpx
import stamina
import structlog

from urbancast.core.errors import ContractError, UrbancastError
from urbancast.core.time import iso
from urbancast.lake.deliveries import Channel as Name
from urbancast.monitoring import alerts
from urbancast.settings import Settings

TIMEOUT_S = 5.0
ATTEMPTS = 3
WAIT_S = 0.5
_log = structlog.get_logger("urbancast.alerts")


class UndeliveredError(UrbancastError):
    """The receiver did not take it; the next watch tries again."""


class Channel(Protocol):
    """One way to tell a person."""

    @property
    def name(self) -> Name: ...  # noqa: D102
    def send(self, word: Mapping[str, Any]) -> str:
        """Tell a payload (see ``payload``); say how it was taken, or raise ``UndeliveredError``."""


def payload(word: Mapping[str, Any], *, is_simulated: bool) -> dict[str, Any]:
    """A row of ``alerts`` as it is told: no secret, no asker, no location."""
    kind, _, subject = str(word["alert"]).partition(":")
    told = {name: str(word[name]) for name in ("product", "alert", "severity", "state", "message", "action")}
    return told | {
        "kind": kind,
        "subject": subject or None,
        "since": iso(word["since"]),
        "runbook": alerts.runbook(kind),
        "simulated": is_simulated,
    }


def configured(settings: Settings) -> Sequence[Channel]:
    """The log always, and what the environment names; ContractError for an address that is none."""
    named: list[Channel] = [Log()]
    if settings.alert_webhook:
        named.append(Webhook(url=settings.alert_webhook))
    if settings.alert_email:
        named.append(Email(to=settings.alert_email, smtp=settings.smtp.get_secret_value()))
    return named


@dataclass(frozen=True, kw_only=True)
class Log:
    """A structured line."""

    name: Name = "log"

    def send(self, word: Mapping[str, Any]) -> str:
        """Write the line at the level of its severity."""
        level = "info" if word["state"] == "resolved" else {"critical": "error"}.get(word["severity"], word["severity"])
        getattr(_log, level)("alert", **{key: value for key, value in word.items() if value is not None})
        return "written"


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """A JSON document by POST; 2xx is taken, a passing fault is tried again. The URL may be a secret: never told."""

    url: str
    wait_s: float = WAIT_S
    timeout_s: float = TIMEOUT_S
    name: Name = "webhook"

    def __post_init__(self) -> None:
        """Refuse an address that cannot be one."""
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise ContractError(
                "URBANCAST_ALERT_WEBHOOK: expected a http(s) URL, found another; correct the environment"
            )

    def send(self, word: Mapping[str, Any]) -> str:
        """Post it; UndeliveredError once patience is spent or it is refused."""
        try:
            for attempt in stamina.retry_context(
                on=_is_passing, attempts=ATTEMPTS, timeout=None, wait_initial=self.wait_s, wait_jitter=self.wait_s,
                wait_max=max(self.wait_s, 4.0) if self.wait_s else 0,
            ):  # fmt: skip
                with attempt:
                    answer = httpx.post(self.url, json=dict(word), timeout=self.timeout_s)
                    answer.raise_for_status()
        except httpx.HTTPStatusError as error:
            raise UndeliveredError(f"webhook: expected 2xx, found {error.response.status_code}") from error
        except httpx.HTTPError as error:
            raise UndeliveredError(f"webhook: expected an answer, found {type(error).__name__}") from error
        return f"answered {answer.status_code}"


@dataclass(frozen=True, kw_only=True)
class Email:
    """A short letter through an SMTP server: ``smtp://[user:password@]host:port[?starttls=1]`` or ``smtps://…``."""

    to: str
    smtp: str
    timeout_s: float = TIMEOUT_S
    name: Name = "email"

    def __post_init__(self) -> None:
        """Refuse a server that is none."""
        if self._server.scheme not in ("smtp", "smtps") or not self._server.hostname:
            raise ContractError(
                "URBANCAST_SMTP: expected smtp://host:port for URBANCAST_ALERT_EMAIL, found another; name the server"
            )

    def send(self, word: Mapping[str, Any]) -> str:
        """Hand it to the server; UndeliveredError where it is refused or nobody answers."""
        try:
            with self._connected() as server:
                server.send_message(self._letter(word))
        except (smtplib.SMTPException, OSError) as error:
            raise UndeliveredError(f"email: expected it taken, found {type(error).__name__}") from error
        return "taken"

    @cached_property
    def _server(self) -> SplitResult:
        return urlsplit(self.smtp)

    def _connected(self) -> smtplib.SMTP:
        host, secure = str(self._server.hostname), self._server.scheme == "smtps"
        trust, wait = ssl.create_default_context(), self.timeout_s
        server = (
            smtplib.SMTP_SSL(host, self._server.port or 465, timeout=wait, context=trust)
            if secure
            else smtplib.SMTP(host, self._server.port or 25, timeout=wait)
        )
        try:
            if not secure and parse_qs(self._server.query).get("starttls", ["0"]) == ["1"]:
                server.starttls(context=trust)
            if self._server.username:
                server.login(unquote(self._server.username), unquote(self._server.password or ""))
        except (smtplib.SMTPException, OSError):
            server.close()
            raise
        return server

    def _letter(self, word: Mapping[str, Any]) -> EmailMessage:
        letter = EmailMessage()
        state = "resolved" if word["state"] == "resolved" else word["severity"]
        letter["Subject"] = f"[urbancast] {state}: {word['product']} {word['alert']}"
        letter["From"], letter["To"] = f"urbancast <{self.to}>", self.to
        simulated = ["The numbers come from a simulated source."] if word["simulated"] else []
        lines = [word["message"], "", f"since {word['since']}", word["action"], *simulated]
        letter.set_content("\n".join(lines) + "\n")
        return letter


def _is_passing(error: Exception) -> bool:
    """Whether it may go better in a moment: no answer, too many requests, or the receiver's own fault."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == httpx.codes.TOO_MANY_REQUESTS or error.response.is_server_error
    return isinstance(error, httpx.TransportError)
