"""`urbancast keys`: a key is shown once, listed without its secret, and ended."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from urbancast.cli import app
from urbancast.core.errors import ContractError, QueryError
from urbancast.lake import audit, keys
from urbancast.lake.store import Lake


@pytest.fixture
def cli(lake: Lake) -> Callable[..., Any]:
    def run(*words: str) -> Any:
        return CliRunner().invoke(app, ["keys", *words, "--lake", lake.url], catch_exceptions=False)

    return run


def test_a_new_key_is_the_only_line_of_output_and_opens(lake: Lake, cli: Callable[..., Any]) -> None:
    result = cli("new", "ana", "--role", "operator")
    text = result.stdout.strip()
    found = keys.verify(keys.active(lake), text)
    assert (found.name, found.role) == ("ana", "operator")
    assert "shown this once" in result.stderr
    assert text not in result.stderr
    told = json.loads(cli("new", "ben", "--json").stdout)
    assert (told["name"], told["role"]) == ("ben", "reader")
    assert keys.verify(keys.active(lake), told["text"]).key == told["key"]


def test_keys_are_listed_without_their_secrets(cli: Callable[..., Any]) -> None:
    text = cli("new", "ana").stdout.strip()
    listed, table = json.loads(cli("list", "--json").stdout), cli("list").stdout
    assert [set(row) for row in listed] == [{"key", "name", "role", "made_at", "revoked_at"}]
    assert listed[0]["revoked_at"] is None
    assert keys.split(text)[0] in table
    for shown in (str(listed), table):
        assert keys.split(text)[1] not in shown
        assert "argon2" not in shown


def test_a_revoked_key_opens_nothing(lake: Lake, cli: Callable[..., Any]) -> None:
    text = cli("new", "ana").stdout.strip()
    assert cli("revoke", "ana").stdout == f"revoked {keys.split(text)[0]} of ana (reader)\n"
    assert keys.verify(keys.active(lake), text) is None
    assert json.loads(cli("list", "--json").stdout)[0]["revoked_at"] is not None
    with pytest.raises(QueryError, match="`urbancast keys list` shows them"):
        cli("revoke", "ana")


def test_what_the_command_line_did_is_written_down(lake: Lake, cli: Callable[..., Any]) -> None:
    key = keys.split(cli("new", "ana", "--role", "operator").stdout.strip())[0]
    cli("revoke", key)
    rows = [(row["actor"], row["action"], row["subject"], row["facts"]) for row in audit.read(lake)]
    actor, facts = f"cli:{getpass.getuser()}", {"holder": "ana", "role": "operator"}
    assert rows == [(actor, "key-revoke", key, facts), (actor, "key-new", key, facts)]


def test_another_role_is_refused(cli: Callable[..., Any]) -> None:
    with pytest.raises(ContractError, match="expected one of reader, operator, found 'root'"):
        cli("new", "ana", "--role", "root")
