"""What may stand behind the gate: an address of loopback, named by the deployment."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from urbancast.core.errors import ContractError

PREFIX = "/ops/"


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where an interface listens."""

    name: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def target(name: str, url: str) -> Target:
    """Target of a URL such as http://127.0.0.1:5000; ContractError where it is anything else."""
    try:
        parts = urlsplit(url)
        host = "127.0.0.1" if parts.hostname == "localhost" else str(ip_address(parts.hostname or ""))
        is_plain = parts.scheme == "http" and parts.path in ("", "/") and not (parts.query or parts.username)
        if is_plain and ip_address(host).is_loopback and parts.port:
            return Target(name=name, host=host, port=parts.port)
    except ValueError:
        pass
    raise ContractError(
        f"URBANCAST_BEHIND_{name.upper()}: expected an address of loopback such as http://127.0.0.1:5000, "
        f"found {url!r}; let it listen there, since it knows no login of its own"
    )
