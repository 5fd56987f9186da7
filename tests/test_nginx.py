"""The example of nginx before the API: it parses, and it does what it says."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "deploy" / "nginx" / "urbancast.conf"
FRAME = """daemon off;
pid {folder}/nginx.pid;
error_log {folder}/main.log crit;
events {{}}
http {{
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    include {folder}/urbancast.conf;
}}
"""


@pytest.fixture(scope="module")
def nginx() -> str:
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        absent = pytest.fail if os.environ.get("URBANCAST_NO_SKIP") == "1" else pytest.skip
        absent("needs nginx; apt-get install nginx")
    return found


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(probe.getsockname()[1]) for probe in probes]


@pytest.fixture(scope="module")
def placed(nginx: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path, list[int]]:
    """The example with its names set to a folder and ports of this test: command, folder, ports."""
    folder, ports = tmp_path_factory.mktemp("nginx"), free_ports(3)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=maps.example.org", "-addext", "subjectAltName=DNS:maps.example.org",
         "-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    text = EXAMPLE.read_text("utf-8")
    for given, own in (
        ("/etc/ssl/urbancast", str(folder)), ("/var/log/nginx", str(folder)),
        ("127.0.0.1:8000", f"127.0.0.1:{ports[0]}"),
        ("listen 80;", f"listen 127.0.0.1:{ports[1]};"), ("listen 443 ", f"listen 127.0.0.1:{ports[2]} "),
    ):  # fmt: skip
        assert given in text, given
        text = text.replace(given, own)
    (folder / "urbancast.conf").write_text(text)
    (folder / "nginx.conf").write_text(FRAME.format(folder=folder))
    return [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "main.log")], folder, ports


def test_nginx_accepts_the_example_without_a_warning(placed: Any) -> None:
    done = subprocess.run([*placed[0], "-t"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "test is successful" in done.stderr
    assert "[warn]" not in done.stderr


@contextmanager
def running(command: list[str], port: int, **env: str) -> Iterator[None]:
    """A process until the block ends, once it listens."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("URBANCAST_")}
    process = subprocess.Popen(command, env=clean | env, stderr=subprocess.PIPE, text=True)
    try:
        limit = time.monotonic() + 60
        while time.monotonic() < limit and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        assert process.poll() is None, process.stderr
        yield
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(scope="module")
def served(placed: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[int]]]:
    """The API and nginx before it."""
    command, folder, ports = placed
    lake = str(tmp_path_factory.mktemp("served") / "lake")
    api = [sys.executable, "-m", "urbancast", "serve", "--lake", lake, "--port", str(ports[0])]
    names = {"URBANCAST_HOSTS": "maps.example.org", "URBANCAST_TRUSTED_PROXIES": "127.0.0.1"}
    with running(api, ports[0], **names), running(command, ports[2]):
        yield folder, ports


def ask(served: Any, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    folder, ports = served
    context = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
    raw = socket.create_connection(("127.0.0.1", ports[2]), timeout=20)
    connection = http.client.HTTPConnection("maps.example.org")
    connection.sock = context.wrap_socket(raw, server_hostname="maps.example.org")
    body = '{"key": "wrong"}' if method == "POST" else None
    connection.request(method, path, body, {"Content-Type": "application/json", **headers})
    reply = connection.getresponse()
    told = reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read().decode()
    connection.close()
    return told


def test_the_api_answers_through_it_and_knows_of_tls(served: Any) -> None:
    status, headers, _ = ask(served, "/v1/products")
    assert status == 200
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert headers["server"] == "nginx"
    assert ask(served, "/ops/dagster/")[0] == 404


def test_plain_http_is_sent_to_tls(served: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served[1][1], timeout=20)
    connection.request("GET", "/v1/products", headers={"Host": "maps.example.org"})
    reply = connection.getresponse()
    assert (reply.status, reply.headers["Location"]) == (308, "https://maps.example.org/v1/products")
    connection.close()


def test_a_page_of_another_site_cannot_log_in_through_it(served: Any) -> None:
    assert ask(served, "/v1/session", "POST", Origin="https://evil.example")[0] == 403


def test_too_many_tries_to_log_in_end_in_a_problem_and_nothing_is_logged_of_who_asked(served: Any) -> None:
    own = {"Origin": "https://maps.example.org"}
    tries = [ask(served, "/v1/session?Secret", "POST", **own) for _ in range(8)]
    assert {status for status, _, _ in tries} == {401, 429}
    status, headers, body = tries[-1]
    assert (status, headers["content-type"]) == (429, "application/problem+json")
    assert "too-many-requests" in body
    assert int(headers["retry-after"]) >= 1
    assert ask(served, "/v1/session")[0] == 401
    told = "".join(path.read_text() for path in served[0].glob("*.log"))
    assert " POST 429 " in told
    for secret in ("127.0.0.1", "Secret", "session"):
        assert secret not in told
