"""A real PostgreSQL on loopback, from Debian's binaries, made anew for a session and thrown away after it.

The fixtures are in `tests/conftest.py`: a test asks for `postgres`, the URL of an empty database.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

FOLDER = Path("/usr/lib/postgresql")  # Debian keeps them apart, by version, and not on PATH


def binaries() -> Path | None:
    """Folder of the newest PostgreSQL's programs; None where there is none."""
    found = [path.parent for path in FOLDER.glob("*/bin/postgres")]
    on_path = shutil.which("postgres")
    versions = sorted(found, key=lambda folder: float(folder.parent.name))
    return versions[-1] if versions else Path(on_path).parent if on_path else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a server's own database, `postgresql://USER@127.0.0.1:PORT`; skips by name where it is missing."""
    folder = binaries()
    if folder is None:
        absent = pytest.fail if os.environ.get("URBANCAST_NO_SKIP") == "1" else pytest.skip
        absent("needs postgresql; apt-get install postgresql")
    # Its own short folder: a path of pytest's may be closed to the user that the server must run as.
    home = Path(tempfile.mkdtemp(prefix="urbancast-pg-"))
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    if user:
        shutil.chown(home, user)
    port = _free_port()
    try:
        _as(user, folder / "initdb", "-D", home / "data", "-U", "urbancast", "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=16MB"
        _as(user, folder / "pg_ctl", "-D", home / "data", "-w", "-l", home / "log", "-o", options, "start")
        try:
            yield f"postgresql://urbancast@127.0.0.1:{port}"
        finally:
            _as(user, folder / "pg_ctl", "-D", home / "data", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[str]:
    """URL of an empty database of a real PostgreSQL, `postgresql://USER@HOST:PORT/NAME`; dropped after the test."""
    name = f"test_{uuid4().hex[:12]}"
    _execute(postgres_server, f'CREATE DATABASE "{name}"')
    yield f"{postgres_server}/{name}"
    _execute(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _as(user: str | None, *command: str | Path) -> None:
    """Run a program, as another user where one is named; what it said is in the error where it fails."""
    prefix = ["runuser", "-u", user, "--"] if user else []
    words = [*prefix, *(str(word) for word in command)]
    # To files: a server that is started keeps what it was given open, and a pipe would never end.
    with tempfile.TemporaryFile() as said:
        ended = subprocess.run(words, cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False)
        said.seek(0)
        assert ended.returncode == 0, f"{' '.join(words)}: {said.read().decode()}"


def _execute(server: str, statement: str) -> None:
    import psycopg2  # no other test needs it

    connection = psycopg2.connect(f"{server}/postgres")
    connection.autocommit = True  # a database is made outside any transaction
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
