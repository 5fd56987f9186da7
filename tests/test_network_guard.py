from __future__ import annotations

import socket

import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.org", 80)])
def test_a_connection_beyond_this_machine_is_refused(address: tuple[str, int]) -> None:
    with socket.socket() as sock, pytest.raises(BaseException, match="expected loopback only"):
        sock.connect(address)


def test_a_look_up_of_a_remote_name_is_refused() -> None:
    with pytest.raises(BaseException, match="expected loopback only"):
        socket.getaddrinfo("example.org", 443)


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        peer, _ = server.accept()
        with peer:
            client.sendall(b"ping")
            assert peer.recv(4) == b"ping"
