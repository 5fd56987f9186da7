"""Names a server is asked by."""

from __future__ import annotations

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]", "::1", "testserver"})


def host_name(host: str) -> str:
    """Host header without its port, lower case."""
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).lower()
